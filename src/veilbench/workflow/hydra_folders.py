"""Removes what Hydra has created for a job that never began.

`conf/config.yaml` stops Hydra from writing its own files into a job's folder; `write_composed` writes them once the job
has begun. So Hydra only leaves empty folders. Only those of this call are removed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from veilbench.workflow.job import write_text


class Before(Callback):  # type: ignore[misc]
    """Records which folders exist before Hydra creates that of a single job."""

    current: ClassVar[Before | None] = None

    def __init__(self) -> None:
        self.there: set[Path] = set()  # the folders above

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Hydra calls this before a single run, and turns errors into warnings; consequences are reported later."""
        folder = _place(config, "hydra.run.dir")
        self.there = {path for path in (folder, *folder.parents) if path.exists()} if folder else set()
        Before.current = self

    def withdraw(self, folder: Path) -> None:
        """Remove a folder and its parents, as long as they are empty and were created by this call."""
        for made in (folder, *folder.parents):
            if made in self.there or not self.there & set(made.parents):
                return
            try:
                made.rmdir()
            except OSError:  # other jobs use it
                return


def withdraw(folder: Path) -> None:
    """Call `Before.withdraw` if folders were recorded; otherwise remove nothing."""
    if Before.current:
        Before.current.withdraw(folder)


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
