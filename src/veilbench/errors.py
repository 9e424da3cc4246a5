"""The one exception that stands for a mistake of the user's, and how a program ends on it."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

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
            raise
        line = " ".join(str(error).split()).encode("utf8", "backslashreplace").decode("utf8")  # of any bytes given
        print(f"error: {line}", file=sys.stderr)
        raise SystemExit(2) from None


def suggest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """The end of an error about an unknown name: "; did you mean ...?", or nothing where no known name is near."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def among(name: str, known: Iterable[str], prefix: str = "") -> str:
    """The same with all known names: "; did you mean a? There are: a, b"."""
    names = list(known)
    hint = suggest(name, names, prefix)
    return f"{hint or ';'} {'There' if hint else 'there'} are: {', '.join(names) or 'none'}"
