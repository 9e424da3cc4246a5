"""One input of the fuzz: files to change, then a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class Odd(StrEnum):
    """What may stand where a file was expected."""

    GONE = "gone"
    FOLDER = "a folder"
    DANGLING = "a link to nothing"


Edit = bytes | Odd


@dataclass(frozen=True)
class Case:
    """An input.

    Attributes:
        command: a script of pipelines/ with its arguments, or `veilbench` with its own.
        files: what is put into the bench before the run, by path; a path may begin with `../`.
        writes: patterns of the paths that the command may make or change when it does what it was asked for; `*` stands
            for slashes too.
        codes: exit codes that mean that it did.
    """

    command: tuple[str, ...]
    files: Mapping[str, Edit] = field(default_factory=dict)
    writes: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0,)

    def may_write(self, path: str) -> bool:
        """Whether a finished run may have made or changed a path of the bench."""
        return any(fnmatchcase(path, pattern) for pattern in self.writes)
