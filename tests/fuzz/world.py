"""The folder that an input meets: a bench with everything in it, and a user's other files beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .case import Edit, Odd

BENCH = "home/bench"  # two folders deep, so that `..` is still within
Snapshot = dict[str, str]


class World:
    """A copy of a template that is put back after each input.

    Args:
        template: the folder that is copied; its bench is the folder `home/bench`.
        folder: where the copy stands. A tracking store names its folder, so that the template's path in files becomes
            this one, which must be as long.
    """

    def __init__(self, template: Path, folder: Path) -> None:
        self.folder, self.bench = folder, folder / BENCH
        self.template = folder.with_name("pristine")
        self._paths = str(template).encode(), str(folder).encode()
        if len(self._paths[0]) != len(self._paths[1]):
            raise ValueError(f"{folder} and {template} must be as long as each other")
        shutil.copytree(template, self.template, symlinks=True)
        for store in (self.template / BENCH).glob("mlflow.db"):
            store.write_bytes(store.read_bytes().replace(*self._paths))
        shutil.copytree(self.template, folder, symlinks=True)
        self._known: dict[str, tuple[tuple[int, ...], str]] = {}
        self.whole = self.snapshot()

    def snapshot(self) -> Snapshot:
        """What stands at every path of the world, by the path as it is seen from the bench."""
        found: Snapshot = {}
        self._look(str(self.folder), found)
        return found

    def _look(self, folder: str, found: Snapshot) -> None:
        within = os.path.relpath(folder, self.bench)
        with os.scandir(folder) as entries:
            for entry in entries:
                path = entry.name if within == "." else f"{within}/{entry.name}"
                found[path] = self._state(entry)
                if found[path] == "folder":
                    self._look(entry.path, found)

    def _state(self, entry: os.DirEntry[str]) -> str:
        if entry.is_symlink():
            return f"link to {Path(entry.path).readlink()}"
        if entry.is_dir():
            return "folder"
        if not entry.is_file():
            return "no file"
        stat = entry.stat()
        stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        if (known := self._known.get(entry.path)) and known[0] == stamp:
            return known[1]
        digest = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
        self._known[entry.path] = (stamp, digest)
        return digest

    def put(self, files: Mapping[str, Edit]) -> None:
        """Change files of the bench."""
        for name, content in files.items():
            path = self.bench / name
            _remove(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if content == Odd.FOLDER:
                path.mkdir()
            elif content == Odd.DANGLING:
                path.symlink_to("nowhere")
            elif isinstance(content, bytes):
                path.write_bytes(content.replace(*self._paths))

    def restore(self) -> None:
        """Bring everything back to what the template holds."""
        now = self.snapshot()
        wrong = [name for name in now.keys() | self.whole.keys() if now.get(name) != self.whole.get(name)]
        for name in sorted(wrong, key=len):
            _remove(self.bench / name)
        for name in sorted((name for name in wrong if name in self.whole), key=len):
            path = Path(os.path.normpath(self.bench / name))
            self._copy(self.template / path.relative_to(self.folder), path)
        if self.snapshot() != self.whole:
            raise RuntimeError(f"{self.folder} cannot be brought back to what it was")

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def _remove(path: Path) -> None:
    path = Path(os.path.normpath(path))
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
