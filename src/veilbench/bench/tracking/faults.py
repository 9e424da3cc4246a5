"""Explains errors of a store or a record, each in one line that names the remedy."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.masking import ADDRESS, NAME, PASSWORD, TOKEN, mask_secrets

LATER = "the records are on disk, and `python pipelines/track.py` publishes them"
LONGEST = 200  # characters of a library's own message
REFUSED = ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")
REFUSING = ("password authentication failed", "access denied for user", "login failed for user", "error code 401")
DENIED = "error code 403"
FULL = ("database or disk is full", "no space left on device", "disk quota exceeded")
BUSY = ("database is locked", "database table is locked")
CLOSED = ("unable to open database", "readonly database", "read-only")


class StoreFault(UserError):
    """The store accepts no record until the user has repaired it."""


class Unreachable(Exception):
    """The store does not answer at the moment. The text is the reason, in one line."""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def short_reason(error: BaseException, address: str) -> str:
    """Return a library's error message, shortened and without passwords."""
    return mask_secrets(format_error(error), address)[:LONGEST]


def broken_store(file: Path, why: str) -> StoreFault:
    """Return the error for a SQLite file that does not hold a complete store."""
    return StoreFault(
        f"the tracking store {file} is broken: {why}; move it away and run `python pipelines/track.py` again, which "
        "makes a new one: the records are on disk"
    )


def full_store(where: str) -> StoreFault:
    """Return the error for a full disk."""
    return StoreFault(f"no space is left for {where}; free some: {LATER}")


def explain(error: Exception, address: str, file: Path | None, records: Path) -> Exception:
    """Translate an error of MLflow, its driver, the network or a file for the user.

    Args:
        error: the error that was raised while publishing a record.
        address: address of the store.
        file: file of the store if it is SQLite, otherwise None.
        records: the folder of the record.

    Returns:
        A UserError about the record, a StoreFault, or Unreachable; the error itself if it is a bug of veilbench.
    """
    causes = list(chain(error))
    said = " ".join(f"{cause}" for cause in causes).lower()
    shown, why = mask_secrets(address, address), short_reason(error, address)
    code = getattr(error, "error_code", "")
    if any(getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT) for cause in causes) or _any(FULL, said):
        return full_store(f"the tracking store {shown}")
    if code in REFUSED or _any(REFUSING, said):
        return StoreFault(
            f"the tracking store {shown} refuses access: check {NAME} and {PASSWORD}, {TOKEN} or {ADDRESS}; "
            f"{LATER}: {why}"
        )
    if code == "PERMISSION_DENIED" or DENIED in said:
        return StoreFault(
            f"the tracking store {shown} knows the user, who may not publish there: its administrator gives the "
            f"permission EDIT; {LATER}: {why}"
        )
    if "out-of-date database schema" in said:
        return StoreFault(
            f"the tracking store {shown} was made by another version of MLflow; take a copy of it, then run "
            f"`mlflow db upgrade` on it, install that version, or move it away; {LATER}"
        )
    if missing := next((cause for cause in causes if isinstance(cause, ModuleNotFoundError)), None):
        return StoreFault(f"the tracking store {shown} needs the Python package {missing.name}; install it: {LATER}")
    if "must be in the 'active' state" in said:
        return UserError(f"{records} is not published: its run was deleted meanwhile; run `python pipelines/track.py`")
    if code == "INVALID_PARAMETER_VALUE":
        return UserError(f"{records} is not published, because the tracking store {shown} refuses a value: {why}")
    if own := next((cause for cause in causes if isinstance(cause, OSError) and _within(cause, records)), None):
        return UserError(f"cannot read {own.filename}: {own.strerror}")
    if file and (
        code or isinstance(error, sqlite3.Error) or type(error).__module__.startswith(("sqlalchemy", "alembic"))
    ):
        return sqlite_fault(causes, said, file)
    foreign = type(error).__module__.partition(".")[0] in ("mlflow", "sqlalchemy", "requests", "urllib3")
    return Unreachable(why) if foreign or isinstance(error, OSError) else error


def sqlite_fault(causes: list[BaseException], said: str, file: Path) -> Exception:
    """Translate an error of SQLite: the file is locked, not writable or broken."""
    if _any(BUSY, said):
        return Unreachable(f"another program keeps {file} locked")
    if _any(CLOSED, said):
        return StoreFault(f"the tracking store {file} cannot be opened for writing: check who may write it; {LATER}")
    inner = next((cause for cause in reversed(causes) if isinstance(cause, sqlite3.Error)), causes[-1])
    return broken_store(file, format_error(inner)[:LONGEST])


def _any(words: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in words)


def _within(error: OSError, folder: Path) -> bool:
    return isinstance(error.filename, str) and Path(error.filename).is_relative_to(folder)
