"""Downloads with a time limit, and an error that names the alternative."""

from __future__ import annotations

import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from veilbench.bench.beside import write_whole_file
from veilbench.bench.errors import UserError


@contextmanager
def download_folder(what: str, by_hand: str, seconds: float) -> Iterator[str]:
    """Provide a temporary folder for a download.

    Args:
        what: name of the data set, for the error.
        by_hand: file that may be provided instead, for the error.
        seconds: time limit for each answer of the network, in seconds.

    Yields:
        The path of the folder, which is deleted afterwards.

    Raises:
        UserError: the download failed, or its content is invalid.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings of each retry; the error reports the failure once
            yield folder
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{what} could not be fetched ({reason}); without a network put it by hand: {by_hand}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Write a file atomically, as `bench.beside.write_whole_file` does; its folder is created if needed.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole_file(path) as partial:
            yield partial
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
