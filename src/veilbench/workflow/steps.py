"""Prints the steps of a run to stderr while they run, each with its seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Steps:
    """The steps of a run.

    Args:
        shown: whether to print anything.
    """

    shown: bool = True

    @contextmanager
    def show(self, name: str) -> Iterator[None]:
        """Print a step's name when it begins, and when it ends its seconds, or that it failed."""
        started = time.perf_counter()
        self._print(name, end="")
        try:
            yield
        except BaseException:
            self._print("  failed")
            raise
        self._print(f"  {time.perf_counter() - started:.0f} s")

    def _print(self, text: str, end: str = "\n") -> None:
        if self.shown:
            print(text, end=end, file=sys.stderr, flush=True)
