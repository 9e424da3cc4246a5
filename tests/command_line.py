"""The program as its user starts it."""

from __future__ import annotations

from veilbench.cli import main


def run(*arguments: object) -> int:
    """A command in this process, by its exit code."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0
