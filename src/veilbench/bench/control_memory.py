"""Caches the results of controls, which are the same for every experiment that runs an attack in the same way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from veilbench.bench.beside import write_whole_file
from veilbench.bench.findings import Control

_CONTROL = TypeAdapter(Control)


class ControlMemory:
    """A cache of control results on disk, one file each.

    Args:
        folder: folder of the cache; created when needed.
        key: digest of everything that the result depends on: the attack's settings and code, the bytes of the data, the
            seed and the accelerator. None disables the cache.
    """

    def __init__(self, folder: Path, key: str | None) -> None:
        self.folder, self.key = folder, key

    def recall(self, kind: str, run: Callable[[], Control], *labels: str) -> Control:
        """Return the cached control of this kind, or run it and cache the result; damaged files are replaced.

        Args:
            kind: kind of the control, "positive" or "negative".
            run: function that runs the control.
            labels: what else tells this control from others with the same key; empty labels are left out.
        """
        if self.key is None:
            return run()
        name = "-".join([self.key, kind, *(re.sub(r"\W+", "_", label) for label in labels if label)])
        path = self.folder / f"{name}.json"
        if remembered := _read(path, kind):
            return remembered
        control = run()
        self.folder.mkdir(parents=True, exist_ok=True)
        with write_whole_file(path) as partial:
            partial.write_text(json.dumps(asdict(control), allow_nan=False), encoding="utf8")
        return control


def _read(path: Path, kind: str) -> Control | None:
    """Read a cached control; None if it is missing, damaged or of another kind."""
    try:
        control = _CONTROL.validate_json(path.read_bytes(), strict=True)
    except (OSError, ValueError):  # pydantic's and Metric's own errors are ValueErrors
        return None
    return control if control.kind == kind else None
