"""Fetching from the network: with a time limit, and an error that says what can be done without."""

from __future__ import annotations

import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from veilbench.bench.beside import whole_file
from veilbench.bench.errors import UserError


@contextmanager
def fetching(what: str, by_hand: str, seconds: float) -> Iterator[str]:
    """A folder for the fetcher's own files, which is gone afterwards.

    Args:
        what: what is fetched, for the error.
        by_hand: which file would do instead, for the error.
        seconds: the longest wait for an answer, each time that the network is asked.

    Yields:
        The folder's path.

    Raises:
        UserError: the network, or what came over it, failed.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a warning for each retry; the error says it once
            yield folder
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{what} could not be fetched ({reason}); without a network put it by hand: {by_hand}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """See `bench.beside.whole_file`; the folder is made if it is not there.

    Raises:
        UserError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            yield partial
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
