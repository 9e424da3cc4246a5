"""Folders that are written whole or not at all: a stage's record, prepared data, the report."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from veilbench.bench.beside import abandoned, beside, fresh, hold, remove
from veilbench.bench.errors import UserError

PARTIAL, EARLIER = "partial", "earlier"  # kinds of leftovers; .gitignore and .dvcignore name them
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_folder(target: Path, ours: Collection[str] = ()) -> Iterator[Path]:
    """A folder to write into that becomes `target` only when the block ends well.

    An earlier `target` stays until then, is put aside, and removed when the new one is there. A kill between the two
    is made good when `target` is next written. The target of a link is replaced, not the link.

    Args:
        target: the folder.
        ours: names of what may lie in an earlier `target` and goes with it.

    Raises:
        UserError: `target` cannot be written, the disk is full, or `target` holds something that is not in `ours`.
    """
    place = Path(os.path.realpath(target))
    new = [folder for folder in place.parents if not folder.exists()]
    try:
        with ExitStack() as started:
            with _told(target):
                place.parent.mkdir(parents=True, exist_ok=True)
                _recover(place)
                _refuse_others(place, target, ours)
                partial = started.enter_context(fresh(place, PARTIAL, Path.mkdir))
            with _full_disk_told(target):
                yield partial
            with _told(target):
                _refuse_others(place, target, ours)  # the block may have taken its time
                _take_place(partial, place)
    except BaseException:
        _remove_empty(new)
        raise


def _take_place(partial: Path, place: Path) -> None:
    aside = beside(place, EARLIER)
    lock = hold(place)  # so that nobody takes what is put aside for a killed process's
    try:
        if lock is not None:
            place.rename(aside)
        partial.rename(place)
    except BaseException:
        if aside.exists() and not place.exists():
            aside.rename(place)
        raise
    else:
        remove(aside)
    finally:
        if lock is not None:
            os.close(lock)


def _recover(place: Path) -> None:
    """Put back an earlier folder where a kill has left none, and remove what else killed processes have left."""
    with abandoned(place, EARLIER) as left:
        for aside in left:
            if place.exists():
                remove(aside)
            else:
                aside.rename(place)
    with abandoned(place, PARTIAL) as left:
        for partial in left:
            remove(partial)


def _refuse_others(place: Path, target: Path, ours: Collection[str]) -> None:
    if not place.exists():
        return
    for entry in sorted(place.iterdir()):
        if entry.name not in ours:
            raise UserError(
                f"{target} holds {entry.name}, which was not written by what would replace it; move it elsewhere"
            )


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that this call made, as far as nothing is in them."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # not empty, or gone already
            return


def content_digest(folder: Path) -> str:
    """16 hexadecimal digits for the names and the bytes of all files in a folder, at any depth."""
    hashed = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            own = hashlib.file_digest(file, "sha256").hexdigest()
        hashed.update(f"{path.relative_to(folder).as_posix()} {own}\n".encode())
    return hashed.hexdigest()[:16]


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write the folder {target}: {error.strerror or error}") from error


@contextmanager
def _full_disk_told(target: Path) -> Iterator[None]:
    """A full disk as the user's error, whoever met it; other errors within the block are not about the folder."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if reason := no_room(error):
            raise UserError(f"cannot write the folder {target}: {reason}; what was there before is kept") from error
        raise


def no_room(error: BaseException | None) -> str | None:
    """The system's words, where a full disk, a quota or a limit is behind an error."""
    while error is not None:
        for code in NO_ROOM:  # Rust's libraries hand on the system's number within their own words
            if getattr(error, "errno", None) == code or f"(os error {code})" in str(error):
                return os.strerror(code)
        error = error.__cause__ or error.__context__
    return None
