"""The exception for mistakes of the user, and how a program ends on it."""

from __future__ import annotations

import difflib
import errno
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from veilbench.bench.masking import mask_secrets

MOST_SIMILAR = 5  # similar names that a list of known names begins with
TRACEBACK = "VEILBENCH_TRACEBACK"
OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EMFILE, errno.ENAMETOOLONG,
)  # fmt: skip


class UserError(Exception):
    """Bad input. Its text is one line that names the value received and what is allowed."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the process with exit code 2 and one line on stderr on bad input, or when memory, disk or permissions fail.

    If the environment variable `VEILBENCH_TRACEBACK` is set, the traceback is printed as well.
    """
    try:
        yield
    except (UserError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in OF_THE_MACHINE:
            raise
        if os.environ.get(TRACEBACK):
            print(mask_secrets(traceback.format_exc()), end="", file=sys.stderr)
        print(f"error: {format_error(error)}", file=sys.stderr)
        raise SystemExit(2) from None


def format_error(error: BaseException) -> str:
    """Format an error as one line of valid UTF-8, without passwords and tokens."""
    said = str(error)
    if isinstance(error, OSError):
        said = f"{error.strerror}: {error.filename or 'the folder that is written to'}"
    elif isinstance(error, MemoryError):
        said = f"not enough memory: {error}"
    return mask_secrets(" ".join(said.split()).encode("utf8", "backslashreplace").decode("utf8"))


def suggest(name: object, known: Iterable[str], prefix: str = "") -> str:
    """Return the end of an error about an unknown name: "; did you mean ...?", or "" if no known name is similar.

    Args:
        name: the unknown name; in YAML it may also be a number, a date or None.
        known: the names that exist.
        prefix: text to put before the suggested name.
    """
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def list_known(name: object, known: Iterable[str], prefix: str = "") -> str:
    """Return the same with all known names, the most similar ones first: "; did you mean b? There are: b, a"."""
    names = list(known)
    close = difflib.get_close_matches(str(name), names, MOST_SIMILAR)
    names = [*close, *(other for other in names if other not in close)]
    hint = suggest(name, names, prefix)
    return f"{hint or ';'} {'There' if hint else 'there'} are: {', '.join(names) or 'none'}"
