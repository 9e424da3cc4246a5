"""Encrypts and decrypts files: opens them, writes the output atomically, and reports errors."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from veilbench.bench.beside import write_whole_file
from veilbench.bench.errors import UserError
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.ciphers.files import container
from veilbench.families.ciphers.files.schemes import Scheme, create_scheme

if TYPE_CHECKING:
    from typing_extensions import Buffer

COMPILED_FROM = 4 << 20
"""Input size in bytes above which the compiled loops save more time than their import takes."""
PROGRESS_FROM = 32 << 20
"""Input size in bytes above which a progress bar is shown."""


def encrypt_file(model: Path, source: Path, target: Path, escaped: bool = False) -> None:
    """Encrypt a file with the trained model in a folder.

    Args:
        model: folder of the trained model.
        source: file to encrypt; unless `escaped`, all its characters must be in the alphabet.
        target: path of the container; an existing file is replaced only once the container is complete.
        escaped: escape bytes outside the alphabet, so that any file can be encrypted.

    Raises:
        UserError: the model cannot encrypt files, a character is outside the alphabet, or a file cannot be
            opened, read or written. In all of these cases `target` is unchanged.
    """
    scheme = create_scheme(load_trained_model(model), str(model))
    with _files(scheme, source, target) as (reading, writing, progress):
        container.write(scheme, reading, writing, str(source), escaped, progress)


def decrypt_file(model: Path, source: Path, target: Path) -> None:
    """Decrypt a container with the trained model in a folder.

    Args:
        model: folder of the trained model.
        source: path of the container.
        target: path of the decrypted file; an existing one is replaced only once the container's tag is verified.

    Raises:
        UserError: the source is not a container, is of another model, or was truncated or modified, or a file
            cannot be opened, read or written. In all of these cases `target` is unchanged.
    """
    scheme = create_scheme(load_trained_model(model), str(model))
    with _files(scheme, source, target) as (reading, writing, progress):
        container.read(scheme, reading, writing, str(source), str(model), progress)


@contextmanager
def _files(scheme: Scheme, source: Path, target: Path) -> Iterator[tuple[BinaryIO, container.Sink, container.Progress]]:
    """Open the source, a sink for the target, and a progress callback."""
    try:
        with source.open("rb", buffering=0) as reading:  # a buffered read of a pipe would delay Ctrl-C
            status = os.fstat(reading.fileno())
            size = status.st_size if stat.S_ISREG(status.st_mode) else None  # a pipe has no size
            with _write_errors(target):
                _check_target(source, target)
            if size is None or size >= COMPILED_FROM:
                scheme.compile()
            with _progress(size, source.name) as progress, _replacing(target) as writing:
                yield reading, writing, progress
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error


def _check_target(source: Path, target: Path) -> None:
    """Check that the target can and may be replaced.

    Raises:
        UserError: the folder is missing, or the target is the source, not a regular file, or read-only.
    """
    if not target.parent.is_dir():
        raise UserError(f"cannot write {target}: the folder {target.parent} does not exist")
    if not target.exists():
        return
    if target.samefile(source):
        raise UserError(f"{target} is the input itself; write to another file")
    if not target.is_file():
        raise UserError(f"cannot write {target}: it is not a regular file")
    if not os.access(target, os.W_OK):
        raise UserError(f"cannot write {target}: it is read-only")


class _Sink:
    """A file whose write errors are reported as a `UserError`."""

    def __init__(self, file: BinaryIO, target: Path) -> None:
        self._file, self._target = file, target

    def write(self, data: Buffer, /) -> None:
        """Write all of the data.

        Raises:
            UserError: writing failed, for example because the disk is full.
        """
        with _write_errors(self._target):
            self._file.write(data)


@contextmanager
def _write_errors(target: Path) -> Iterator[None]:
    """Convert an `OSError` to a `UserError` that names the target."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}") from error


@contextmanager
def _replacing(target: Path) -> Iterator[_Sink]:
    """Open a temporary file in the target's folder that replaces the target at the end, or is removed on an error.

    If the target is a symbolic link, the file it points to is replaced, not the link. Permissions are kept.
    """
    with ExitStack() as stack:
        with _write_errors(target):
            partial = stack.enter_context(write_whole_file(target))
        with partial.open("wb") as file:
            yield _Sink(file, target)
            with _write_errors(target):
                file.flush()
        with _write_errors(target):
            stack.close()


@contextmanager
def _progress(size: int | None, name: str) -> Iterator[container.Progress]:
    """Show a progress bar on stderr for a large file in an interactive terminal."""
    if size is None or size < PROGRESS_FROM or not sys.stderr.isatty() or os.environ.get("CI"):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("{task.description}", *columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(name), total=size)
        yield lambda done: bar.advance(task, done)
