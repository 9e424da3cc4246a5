"""Controls are the same for every experiment that runs an attack in the same way: they are run once and remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from veilbench.bench.beside import whole_file
from veilbench.bench.findings import Control

_CONTROL = TypeAdapter(Control)


class ControlMemory:
    """Control results on disk, one file each.

    Args:
        folder: where they are kept; made when needed.
        key: stands for everything that a control's result depends on: the attack's settings and code, the data with
            all its bytes, the seed and the accelerator. None remembers nothing.
    """

    def __init__(self, folder: Path, key: str | None) -> None:
        self.folder, self.key = folder, key

    def recall(self, kind: str, run: Callable[[], Control]) -> Control:
        """The remembered control of this kind, or the one that `run` makes; a damaged one is made again."""
        if self.key is None:
            return run()
        path = self.folder / f"{self.key}-{kind}.json"
        if remembered := _read(path, kind):
            return remembered
        control = run()
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps(asdict(control), allow_nan=False), encoding="utf8")
        return control


def _read(path: Path, kind: str) -> Control | None:
    """A remembered control; None where there is none of this kind, or a damaged one."""
    try:
        control = _CONTROL.validate_json(path.read_bytes(), strict=True)
    except (OSError, ValueError):  # pydantic's and Metric's own errors are ValueErrors
        return None
    return control if control.kind == kind else None
