"""A copy of the repository, in which one file at a time is changed."""

from __future__ import annotations

import compileall
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Copied:
    """A copy of what git has and what is new, with all bytecode made.

    Tests run in it without writing bytecode, since that of a file is told from that of another by the second of its
    last change and its size, which a mutant may share.
    """

    def __init__(self, repository: Path, folder: Path) -> None:
        self.root, self.scratch, self.compiled = folder / "repository", folder / "scratch", folder / "numba"
        self.scratch.mkdir()
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=repository, capture_output=True, check=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (repository / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(repository / name, self.root / name)
        compileall.compile_dir(self.root, quiet=2)

    @contextmanager
    def changed(self, path: str, source: str) -> Iterator[None]:
        """Hold a file with another text, for as long as the context lasts.

        What Numba compiles is kept for all runs, but not that of a changed file.

        Args:
            path: below the root.
            source: the text.
        """
        file = self.root / path
        before, times = file.read_text("utf8"), (file.stat().st_atime_ns, file.stat().st_mtime_ns)
        bytecode = Path(importlib.util.cache_from_source(file))
        try:
            bytecode.unlink(missing_ok=True)
            if "numba" in source:
                self.compiled = self.scratch / "numba"
            file.write_text(source, encoding="utf8")
            yield
        finally:
            file.write_text(before, encoding="utf8")
            os.utime(file, ns=times)
            self.compiled = self.root.parent / "numba"
            compileall.compile_file(file, quiet=2, force=True)
