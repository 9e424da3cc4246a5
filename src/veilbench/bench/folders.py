"""Writes folders completely or not at all: a stage's record, prepared data, the report."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from veilbench.bench.beside import create_beside, lock_abandoned, name_beside, remove, try_lock
from veilbench.bench.errors import UserError

PARTIAL, EARLIER = "partial", "earlier"  # kinds of temporary folders; .gitignore and .dvcignore name them
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def write_whole_folder(target: Path, ours: Collection[str] = ()) -> Iterator[Path]:
    """Give a temporary folder that replaces `target` if the block ends without an error.

    An existing `target` is then renamed, and removed once the new one is in its place. After a kill between the two
    renames, the next call for `target` restores it. If `target` is a link, its target is replaced.

    Args:
        target: the folder to write.
        ours: names of the entries that an existing `target` may hold; they are removed with it.

    Raises:
        UserError: `target` cannot be written, the disk is full, or `target` holds an entry that is not in `ours`.
    """
    place = Path(os.path.realpath(target))
    new = [folder for folder in place.parents if not folder.exists()]
    try:
        with ExitStack() as started:
            with _report_os_errors(target):
                place.parent.mkdir(parents=True, exist_ok=True)
                _recover(place)
                _refuse_others(place, target, ours)
                partial = started.enter_context(create_beside(place, PARTIAL, Path.mkdir))
            with _report_full_disk(target):
                yield partial
            with _report_os_errors(target):
                _refuse_others(place, target, ours)  # again: the block may have taken long
                _take_place(partial, place)
    except BaseException:
        _remove_empty(new)
        raise


def _take_place(partial: Path, place: Path) -> None:
    aside = name_beside(place, EARLIER)
    lock = try_lock(place)  # so that no other process takes the renamed folder for a leftover of a killed one
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
    """Restore an earlier folder if a kill left none at `place`, and remove other leftovers of killed processes."""
    with lock_abandoned(place, EARLIER) as abandoned:
        for aside in abandoned:
            if place.exists():
                remove(aside)
            else:
                aside.rename(place)
    with lock_abandoned(place, PARTIAL) as abandoned:
        for partial in abandoned:
            remove(partial)


def _refuse_others(place: Path, target: Path, ours: Collection[str]) -> None:
    if not place.exists():
        return
    for entry in sorted(place.iterdir()):
        if entry.name not in ours:
            raise UserError(
                f"{target} holds {entry.name}, which this command has not written and will not delete; "
                "move it elsewhere"
            )


def _remove_empty(folders: list[Path]) -> None:
    """Remove the folders that this call created, as long as they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # not empty, or gone already
            return


def content_digest(folder: Path) -> str:
    """Return 16 hexadecimal digits that depend on the names and bytes of all files in a folder, at any depth."""
    hashed = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            file_digest = hashlib.file_digest(file, "sha256").hexdigest()
        hashed.update(f"{path.relative_to(folder).as_posix()} {file_digest}\n".encode())
    return hashed.hexdigest()[:16]


@contextmanager
def _report_os_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write the folder {target}: {error.strerror or error}") from error


@contextmanager
def _report_full_disk(target: Path) -> Iterator[None]:
    """Turn an error that comes from a full disk into a UserError; other errors pass through."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if reason := find_full_disk(error):
            raise UserError(f"cannot write the folder {target}: {reason}; what was there before is kept") from error
        raise


def find_full_disk(error: BaseException | None) -> str | None:
    """Return the system's message if a full disk, a quota or a file size limit caused an error; otherwise None."""
    while error is not None:
        for code in NO_ROOM:  # libraries written in Rust put the system's error number into their message
            if getattr(error, "errno", None) == code or f"(os error {code})" in str(error):
                return os.strerror(code)
        error = error.__cause__ or error.__context__
    return None
