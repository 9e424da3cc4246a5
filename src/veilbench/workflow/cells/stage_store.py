"""Stages that cells of a sweep share: three attack settings on one trained model train once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from veilbench.bench.experiment import Config
from veilbench.bench.file_lock import lock_file
from veilbench.bench.provenance import BEFORE, FILE

FOLDER = ".stages"  # below the sweep's folder
FOREVER = -1.0  # seconds to wait for a process that runs the same stage; its lock ends with it


class StageStore:
    """Folders of stages, named by stage and digest. Cells hold hard links to their files, so it may be deleted.

    Args:
        sweep: folder of the sweep.
        since: time in seconds since 1970; stages that are older run again.
    """

    def __init__(self, sweep: Path, since: float = 0.0) -> None:
        self.folder, self.since = sweep / FOLDER, since

    def has(self, config: Config, stage: str) -> bool:
        """Whether a stage of an experiment is there."""
        return self._is_there(self._place(config, stage))

    def provide(self, config: Config, stage: str, run: Callable[[Path], None]) -> Path:
        """Return the folder of a stage; run the stage if it is not there.

        Args:
            config: resolved experiment.
            stage: "prepare", "train", "evaluate" or "attack".
            run: runs the stage into the folder that it is given, completely or not at all.
        """
        place = self._place(config, stage)
        if not self._is_there(place):
            self.folder.mkdir(parents=True, exist_ok=True)
            with lock_file(place, wait=FOREVER):
                if not self._is_there(place):  # another process may have run it meanwhile
                    run(place)
        return place

    def _place(self, config: Config, stage: str) -> Path:
        return self.folder / f"{stage}-{stage_key(config, stage)}"

    def _is_there(self, place: Path) -> bool:
        try:
            return (place / FILE).stat().st_mtime > self.since
        except OSError:
            return False


def stage_key(config: Config, stage: str) -> str:
    """Return 16 hexadecimal digits for a stage and the stages that it depends on."""
    digests = [config["digests"][name] for name in (*BEFORE[stage], stage)]
    return hashlib.sha256(json.dumps([stage, *digests]).encode()).hexdigest()[:16]


def link_folder(source: Path, target: Path) -> None:
    """Copy a folder by hard links, or file by file where the file system has none."""
    shutil.copytree(source, target, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
