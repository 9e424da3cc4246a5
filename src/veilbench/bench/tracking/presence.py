"""Identifies the process that publishes a record or runs a trial, and checks whether it is still running."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4


@cache
def _process_scope() -> str:
    """Identify the scope in which process ids are unique: this host, this boot, this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}:{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def _start_time(process: int) -> str:
    """Return when a process was started, in ticks since boot; this tells apart processes that reuse an id.

    Raises:
        ProcessLookupError: there is no such process, or it is a zombie.
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
    """A process that publishes one record, or runs one trial of a search; `str` gives the tag of its run or trial."""

    home: str
    process: int
    started: str
    token: str

    @classmethod
    def here(cls) -> Publisher:
        """Create a publisher for this process and one record."""
        return cls(_process_scope(), os.getpid(), _start_time(os.getpid()), uuid4().hex)

    @classmethod
    def parse(cls, tag: str) -> Publisher | None:
        """Parse a tag; None if it does not have our format."""
        parts = tag.rsplit(" ", 3)
        return cls(parts[0], int(parts[1]), parts[2], parts[3]) if len(parts) == 4 and parts[1].isdecimal() else None

    def __str__(self) -> str:
        return f"{self.home} {self.process} {self.started or '-'} {self.token}"

    def is_dead(self, me: Publisher) -> bool:
        """Whether this publisher is known to be gone; always False for publishers on other hosts than `me`."""
        if self.home != me.home or self.token == me.token:
            return False
        if self.process == me.process:
            return True  # a process works on one record or trial at a time, so it has abandoned this one
        try:
            return _start_time(self.process) not in (self.started, "")
        except ProcessLookupError:
            return True
        except OSError:  # the process belongs to another user
            return False
