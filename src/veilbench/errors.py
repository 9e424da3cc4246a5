"""The one exception that stands for a mistake of the user's, and how a program ends on it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from veilbench.masking import masked

TRACEBACK = "VEILBENCH_TRACEBACK"


class UserError(Exception):
    """Bad input. Its text is one line that names the value received and what is allowed."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with exit code 2 and one line on stderr when a `UserError` comes through.

    With the environment variable `VEILBENCH_TRACEBACK` set the traceback is shown as well.
    """
    try:
        yield
    except UserError as error:
        if os.environ.get(TRACEBACK):
            print(masked(traceback.format_exc()), end="", file=sys.stderr)
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def one_line(error: BaseException) -> str:
    """The text of an error in one line, without passwords and tokens."""
    return masked(" ".join(str(error).split()))
