"""Controls are the same for every experiment that runs an attack in the same way: they are run once and remembered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from veilbench.findings import Control, Metric


class ControlMemory:
    """Control results on disk, one file each.

    Args:
        folder: where they are kept; made when needed.
        key: stands for everything that a control's result depends on: the attack's settings and code, the data, the
            seed and the accelerator. None remembers nothing.
    """

    def __init__(self, folder: Path, key: str | None) -> None:
        self.folder, self.key = folder, key

    def recall(self, kind: str, run: Callable[[], Control]) -> Control:
        """The remembered control of this kind, or the one that `run` makes."""
        if self.key is None:
            return run()
        path = self.folder / f"{self.key}-{kind}.json"
        if path.is_file():
            with suppress(ValueError, TypeError, KeyError):  # a damaged file is made again
                plain = json.loads(path.read_text(encoding="utf8"))
                return Control(**{**plain, "gain": Metric(**plain["gain"])})
        control = run()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".partial-{os.getpid()}")
        partial.write_text(json.dumps(asdict(control)), encoding="utf8")
        partial.rename(path)
        return control
