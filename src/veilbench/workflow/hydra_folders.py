"""Removes what Hydra has created for a job that never began.

`conf/config.yaml` stops Hydra from writing its own files into a job's folder; `write_composed` writes them once the job
has begun. So Hydra only leaves empty folders, and a sweep's `multirun.yaml`. Only those of this call are removed.
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

from veilbench.workflow.job import write_text

SWEEP = "multirun.yaml"


class Before(Callback):  # type: ignore[misc]
    """Records which folders exist before Hydra creates one. Any launcher passes this object to a sweep's jobs."""

    current: ClassVar[Before | None] = None

    def __init__(self) -> None:
        self.above: set[Path] = set()  # folders whose subfolders on the way, or all of them, are noted
        self.there: set[Path] = set()
        self.sweep: Path | None = None
        self.kept: Path | None = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hydra calls this before a single run, and turns errors into warnings; consequences are reported later."""
        self._note(_place(config, "hydra.run.dir"))
        Before.current = self

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hydra calls this before all jobs of a sweep, in the process that launches them."""
        self.sweep = _place(config, "hydra.sweep.dir")
        self._note(self.sweep)
        if self.sweep and self.sweep.is_dir():
            self.there |= set(self.sweep.iterdir())
            self.kept = _kept(self.sweep / SWEEP, list(config.hydra.overrides.task))
        Before.current = self

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hydra calls this in the process of each job."""
        Before.current = self

    def withdraw(self, folder: Path) -> None:
        """Remove a folder and its parents, as long as they are empty and were created by this call."""
        for made in (folder, *folder.parents):
            nearest = next((path for path in (made, *made.parents) if path in self.there), None)
            if nearest == made or nearest not in self.above:
                return
            try:
                made.rmdir()
            except OSError:  # other jobs use it
                return

    def tidy(self) -> None:
        """After a sweep in which no job began, remove its `multirun.yaml` and restore that of an earlier sweep."""
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
    """Call `Before.withdraw` if folders were recorded; otherwise remove nothing."""
    if Before.current:
        Before.current.withdraw(folder)


def tidy() -> None:
    """Call `Before.tidy` if folders were recorded."""
    if Before.current:
        Before.current.tidy()


def swept_folder() -> Path | None:
    """Return the folder of the sweep that this call has launched; None if it launched none, or no job began."""
    folder = Before.current.sweep if Before.current else None
    return folder if folder and folder.is_dir() else None


def write_composed(composed: DictConfig, folder: Path) -> None:
    """Write what Hydra would write into `.hydra`: the composed configuration, Hydra's own and the overrides."""
    own = HydraConfig.instance().cfg
    parts = {"config": composed, "hydra": own, "overrides": HydraConfig.get().overrides.task}
    for name, part in parts.items():
        write_text(folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(part))


def _place(config: DictConfig, key: str) -> Path | None:
    """Return the folder that one of Hydra's settings names; None if it cannot be resolved yet."""
    try:
        return Path(os.path.abspath(str(OmegaConf.select(config, key))))  # noqa: PTH100 - links are not followed
    except OmegaConfBaseException:
        return None


def _kept(path: Path, overrides: list[str]) -> Path | None:
    """Rename an earlier sweep's file, which Hydra would overwrite; None if the same sweep wrote it."""
    if not path.is_file():
        return None
    try:
        earlier = OmegaConf.select(OmegaConf.load(path), "hydra.overrides.task")
        if earlier is not None and list(earlier) == overrides:
            return None
    except Exception:  # damaged: keep it
        pass
    names = (path.with_name(f"multirun.{number}.yaml") for number in count(1))
    kept = next(name for name in names if not name.exists())
    path.rename(kept)
    return kept
