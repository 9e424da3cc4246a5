"""What Hydra makes before a job begins, and how it is taken away again where the job never began.

`conf/config.yaml` has Hydra write no files of its own into a job's folder; `write_composed` writes them once the job
has begun. What is left are empty folders, and `multirun.yaml` of a sweep. Only those of this very call are removed.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipelines.job import write_text

SWEEP = "multirun.yaml"


class Before(Callback):  # type: ignore[misc]
    """Notes which folders are there before Hydra makes one. It travels to a sweep's jobs, whatever launches them."""

    current: ClassVar[Before | None] = None

    def __init__(self) -> None:
        self.above: set[Path] = set()  # folders whose subfolders on the way, or all of them, are noted
        self.there: set[Path] = set()
        self.sweep: Path | None = None
        self.kept: Path | None = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """See Hydra. An error in here would be a warning of Hydra's, and what follows from it is said elsewhere."""
        self._note(_place(config, "hydra.run.dir"))
        Before.current = self

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """See Hydra: before any job, in the process that launches them."""
        self.sweep = _place(config, "hydra.sweep.dir")
        self._note(self.sweep)
        if self.sweep and self.sweep.is_dir():
            self.there |= set(self.sweep.iterdir())
            self.kept = _kept(self.sweep / SWEEP, list(config.hydra.overrides.task))
        Before.current = self

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """See Hydra: in the process of the job."""
        Before.current = self

    def withdraw(self, folder: Path) -> None:
        """Remove a folder and those above it, as far as they are empty and this call made them."""
        for made in (folder, *folder.parents):
            nearest = next((path for path in (made, *made.parents) if path in self.there), None)
            if nearest == made or nearest not in self.above:
                return
            try:
                made.rmdir()
            except OSError:  # other jobs are in it
                return

    def tidy(self) -> None:
        """After a sweep of which no job began: its file goes, and an earlier sweep's is there again."""
        if not self.sweep or not self.sweep.is_dir():
            return
        mine = self.sweep / SWEEP
        if set(self.sweep.iterdir()) - self.there - {mine, self.kept}:
            return
        if self.kept:
            self.kept.replace(mine)
        elif mine not in self.there:
            mine.unlink(missing_ok=True)
            self.withdraw(self.sweep)

    def _note(self, folder: Path | None) -> None:
        if folder:
            self.above = {path for path in (folder, *folder.parents) if path.exists()}
            self.there |= self.above


def withdraw(folder: Path) -> None:
    """See `Before.withdraw`; where nothing was noted, nothing is removed."""
    if Before.current:
        Before.current.withdraw(folder)


def tidy() -> None:
    """See `Before.tidy`."""
    if Before.current:
        Before.current.tidy()


def write_composed(composed: DictConfig, folder: Path) -> None:
    """Write what Hydra would: the composed configuration, Hydra's own and the overrides, into `.hydra`."""
    own = HydraConfig.instance().cfg
    parts = {"config": composed, "hydra": own, "overrides": HydraConfig.get().overrides.task}
    for name, part in parts.items():
        write_text(folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(part))


def _place(config: DictConfig, key: str) -> Path | None:
    """The folder that a setting of Hydra's names, as Hydra will find it; None where it cannot be known yet."""
    try:
        return Path(os.path.abspath(str(OmegaConf.select(config, key))))  # noqa: PTH100 - links are not followed
    except OmegaConfBaseException:
        return None


def _kept(path: Path, overrides: list[str]) -> Path | None:
    """An earlier sweep's file under a new name, since Hydra writes over it; None where the same sweep wrote it."""
    if not path.is_file():
        return None
    try:
        earlier = OmegaConf.select(OmegaConf.load(path), "hydra.overrides.task")
        if earlier is not None and list(earlier) == overrides:
            return None
    except Exception:  # damaged: kept as it is
        pass
    names = (path.with_name(f"multirun.{number}.yaml") for number in count(1))
    kept = next(name for name in names if not name.exists())
    path.rename(kept)
    return kept
