"""Encrypting and decrypting files: opening them, replacing them whole, and saying what went wrong."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from veilbench.bench.beside import whole_file
from veilbench.bench.errors import UserError
from veilbench.bench.subject import load_subject
from veilbench.families.ciphers.files import container
from veilbench.families.ciphers.files.schemes import Scheme, scheme_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

COMPILED_FROM = 4 << 20
"""Bytes of input from which the compiled loops are worth their import."""
PROGRESS_FROM = 32 << 20
"""Bytes of input from which a progress bar is worth looking at."""


def encrypt_file(model: Path, source: Path, target: Path, escaped: bool = False) -> None:
    """Encrypt a file with the trained model in a folder.

    Args:
        model: the folder.
        source: a file, all of it characters of the alphabet unless `escaped`.
        target: the container; replaced only once it is complete.
        escaped: take any file, whatever its bytes.

    Raises:
        UserError: the model encrypts no files, a character is outside the alphabet, or a file cannot be
            opened, read or written; `target` is as it was.
    """
    scheme = scheme_of(load_subject(model), str(model))
    with _files(scheme, source, target) as (reading, writing, progress):
        container.write(scheme, reading, writing, str(source), escaped, progress)


def decrypt_file(model: Path, source: Path, target: Path) -> None:
    """Decrypt a container with the trained model in a folder.

    Args:
        model: the folder.
        source: the container.
        target: the text; replaced only once the container's tag is verified.

    Raises:
        UserError: the container is none, or of another model, or cut short, or changed, or a file cannot be
            opened, read or written; `target` is as it was.
    """
    scheme = scheme_of(load_subject(model), str(model))
    with _files(scheme, source, target) as (reading, writing, progress):
        container.read(scheme, reading, writing, str(source), str(model), progress)


@contextmanager
def _files(scheme: Scheme, source: Path, target: Path) -> Iterator[tuple[BinaryIO, container.Sink, container.Progress]]:
    """The opened source, where to write the target to, and what shows the progress."""
    try:
        with source.open("rb", buffering=0) as reading:  # within a buffered read of a pipe, Ctrl-C would wait
            about = os.fstat(reading.fileno())
            size = about.st_size if stat.S_ISREG(about.st_mode) else None  # a pipe has none
            with _write_errors(target):
                _check_target(source, target)
            if size is None or size >= COMPILED_FROM:
                scheme.compile()
            with _progress(size, source.name) as progress, _replacing(target) as writing:
                yield reading, writing, progress
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error


def _check_target(source: Path, target: Path) -> None:
    """Refuse what must not, or cannot, be replaced."""
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
    """A file whose failures are the user's to see."""

    def __init__(self, file: BinaryIO, target: Path) -> None:
        self._file, self._target = file, target

    def write(self, data: Buffer, /) -> None:
        """Write all of it."""
        with _write_errors(self._target):
            self._file.write(data)


@contextmanager
def _write_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}") from error


@contextmanager
def _replacing(target: Path) -> Iterator[_Sink]:
    """A new file beside the target that takes its place at the end, or vanishes on any error.

    The target of a link is replaced, not the link, and keeps its permissions.
    """
    with ExitStack() as done:
        with _write_errors(target):
            partial = done.enter_context(whole_file(target))
        with partial.open("wb") as file:
            yield _Sink(file, target)
            with _write_errors(target):
                file.flush()
        with _write_errors(target):
            done.close()


@contextmanager
def _progress(size: int | None, name: str) -> Iterator[container.Progress]:
    """A bar on stderr where somebody may be watching a large file."""
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
