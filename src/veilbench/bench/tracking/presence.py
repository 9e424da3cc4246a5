"""Who publishes a run, and whether that process is still there."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4


@cache
def _home() -> str:
    """Where process numbers mean the same: this host, since it was started, within one container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}:{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def _started(process: int) -> str:
    """When a process was started, in ticks since the host was; a number that is used again has another one.

    Raises:
        ProcessLookupError: there is no such process, or it has ended and waits to be collected.
    """
    os.kill(process, 0)
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf8").rpartition(")")[2].split()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            raise ProcessLookupError from None
        return ""  # not Linux
    if fields[0] in "ZX":
        raise ProcessLookupError
    return fields[19]


@dataclass(frozen=True)
class Publisher:
    """One process that publishes one record, as a tag of its run says it."""

    home: str
    process: int
    started: str
    token: str

    @classmethod
    def here(cls) -> Publisher:
        """This process, for one more record."""
        return cls(_home(), os.getpid(), _started(os.getpid()), uuid4().hex)

    @classmethod
    def parse(cls, tag: str) -> Publisher | None:
        """Read a tag; None where it is not one of ours."""
        parts = tag.rsplit(" ", 3)
        return cls(parts[0], int(parts[1]), parts[2], parts[3]) if len(parts) == 4 and parts[1].isdecimal() else None

    def __str__(self) -> str:
        return f"{self.home} {self.process} {self.started or '-'} {self.token}"

    def is_dead(self, me: Publisher) -> bool:
        """Whether this publisher is proven to be gone, as seen by another one; of other hosts nothing is proven."""
        if self.home != me.home or self.token == me.token:
            return False
        if self.process == me.process:
            return True  # a process publishes one record at a time: it has given this one up
        try:
            return _started(self.process) not in (self.started, "")
        except ProcessLookupError:
            return True
        except OSError:  # it runs as somebody else
            return False
