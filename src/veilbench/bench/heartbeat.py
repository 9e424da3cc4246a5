"""Signs of life that a process gives from a thread while it works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SIGNS = 4  # signs of life within a lease: three may be lost


@contextmanager
def keep_alive(give_sign: Callable[[], object], lease: float) -> Iterator[None]:
    """Give signs of life within the block, from a thread: one long call may take longer than a lease.

    Args:
        give_sign: gives one sign. Errors are dropped: a lost sign costs nothing, and what is wrong shows in the work.
        lease: seconds without a sign after which others take this process for dead.
    """
    done = threading.Event()

    def give_signs() -> None:
        while not done.wait(lease / SIGNS):
            with suppress(Exception):
                give_sign()

    thread = threading.Thread(target=give_signs, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
