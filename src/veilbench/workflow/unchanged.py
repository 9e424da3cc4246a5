"""Notes the files of a complete run, so that the next one knows without DVC that nothing has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.homes import list_homes
from veilbench.bench.named_files import find_named_files
from veilbench.bench.stages import PREPARED, RESULTS
from veilbench.bench.yaml_file import read_mapping
from veilbench.workflow.conf import conf_folders
from veilbench.workflow.job import write_text
from veilbench.workflow.resolve import SHOWN

PIPELINE = ("dvc.yaml", "dvc.lock", "params", str(SHOWN), "pipelines", str(PREPARED), str(RESULTS), "report")
NOTED = Path(".dvc/tmp")
SKIPPED = {"__pycache__", ".controls"}


class CompleteRun:
    """The files of the last complete run of some experiments.

    Args:
        target: what was run, such as "tour"; each target has a note of its own.
    """

    def __init__(self, target: str) -> None:
        self.note = NOTED / f"complete_{target}.json"

    def is_current(self) -> bool:
        """Whether every file is there with the size and the time of before, and none was added."""
        try:
            noted = json.loads(self.note.read_text(encoding="utf8"))
            return bool(noted["state"] == _compute_state([Path(name) for name in noted["named"]]))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def write(self) -> None:
        """Note the files as they are now."""
        named = sorted({path for config in Path("params").rglob("*.yaml") for path in _find_named(config)})
        content = {"state": _compute_state(named), "named": [str(path) for path in named]}
        write_text(self.note, json.dumps(content) + "\n")

    def forget(self) -> None:
        """Remove the note."""
        self.note.unlink(missing_ok=True)


def _find_named(config: Path) -> list[Path]:
    try:
        return find_named_files(read_mapping(config))
    except UserError:
        return []


def _compute_state(named: Iterable[Path]) -> str:
    """Return a digest of the paths, sizes and times of the pipeline's files, of all code and configuration."""
    homes = [place for home in list_homes() for place in home.code.values()]
    hashed = hashlib.sha256()
    for root in (*map(Path, PIPELINE), *conf_folders(), *homes, *named):
        for path in _list_files(root):
            status = path.stat()
            hashed.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return hashed.hexdigest()


def _list_files(root: Path) -> Iterator[Path]:
    """Yield the paths of a file, or of all files below a folder, in a fixed order."""
    if root.is_file():
        yield root
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED)
        yield from (Path(folder, name) for name in sorted(files))
