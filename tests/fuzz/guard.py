"""Keeps what an input makes the program write or delete within the fuzz's own folders, by Linux's Landlock.

A run folder of `..` or `/` that a refusal takes away again must not cost anybody a file.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from pathlib import Path

CREATE, ADD, RESTRICT = 444, 445, 446  # system calls, the same on all processors
LEAST = 3  # the version that knows truncation, Linux 6.2
PR_SET_NO_NEW_PRIVS, PATH_BENEATH = 38, 1
WRITE_FILE, REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 1, 1 << 5, 1 << 8, 1 << 14
EVERY_WRITE = WRITE_FILE | TRUNCATE | sum(1 << bit for bit in range(4, 14))  # removing, making, moving
FILE_ONLY = WRITE_FILE | TRUNCATE
SEMAPHORES = FILE_ONLY | REMOVE_FILE | MAKE_REG


def available() -> bool:
    """Whether this kernel can confine a process."""
    try:
        return int(ctypes.CDLL(None).syscall(CREATE, None, 0, 1)) >= LEAST
    except (OSError, AttributeError):
        return False


def confine(folders: Sequence[Path]) -> None:
    """Let this process and those that it starts write below `folders` only; reading stays as it is.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rules = _checked(libc.syscall(CREATE, struct.pack("Q", EVERY_WRITE), 8, 0))
    allowed = [(folder, EVERY_WRITE) for folder in folders]
    for path, access in [*allowed, (Path("/dev/null"), FILE_ONLY), (Path("/dev/shm"), SEMAPHORES)]:
        if path.exists():
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _checked(libc.syscall(ADD, rules, PATH_BENEATH, struct.pack("=Qi", access, place), 0))
            os.close(place)
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.syscall(RESTRICT, rules, 0))
    os.close(rules)


def _checked(answer: int) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return answer
