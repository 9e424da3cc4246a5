"""The one exception that stands for a mistake of the user's, and how a program ends on it."""

from __future__ import annotations

import difflib
import errno
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from veilbench.bench.masking import masked

TRACEBACK = "VEILBENCH_TRACEBACK"
OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EMFILE, errno.ENAMETOOLONG,
)  # fmt: skip


class UserError(Exception):
    """Bad input. Its text is one line that names the value received and what is allowed."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with exit code 2 and one line on stderr on bad input and where the machine has too little.

    With the environment variable `VEILBENCH_TRACEBACK` set the traceback is shown as well.
    """
    try:
        yield
    except (UserError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in OF_THE_MACHINE:
            raise
        if os.environ.get(TRACEBACK):
            print(masked(traceback.format_exc()), end="", file=sys.stderr)
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def one_line(error: BaseException) -> str:
    """The text of an error in one line of valid UTF-8, without passwords and tokens."""
    said = str(error)
    if isinstance(error, OSError):
        said = f"{error.strerror}: {error.filename or 'the folder that is written to'}"
    elif isinstance(error, MemoryError):
        said = f"not enough memory: {error}"
    return masked(" ".join(said.split()).encode("utf8", "backslashreplace").decode("utf8"))


def suggest(name: object, known: Iterable[str], prefix: str = "") -> str:
    """The end of an error about an unknown name: "; did you mean ...?", or nothing where no known name is near.

    Args:
        name: as it was found, which in YAML may also be a number, a date or nothing.
        known: names that there are.
        prefix: of a known name, for the line.
    """
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def among(name: object, known: Iterable[str], prefix: str = "") -> str:
    """The same with all known names: "; did you mean a? There are: a, b"."""
    names = list(known)
    hint = suggest(name, names, prefix)
    return f"{hint or ';'} {'There' if hint else 'there'} are: {', '.join(names) or 'none'}"
