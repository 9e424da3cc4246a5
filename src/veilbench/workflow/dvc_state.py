"""Repairs what a killed DVC leaves behind, a truncated dvc.lock and stale process notes, before DVC starts again.

DVC rewrites dvc.lock in place. A copy of its last complete version is kept in DVC's folder for temporary files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from veilbench.bench.beside import write_whole_file
from veilbench.bench.errors import UserError

LOCK, TEMPORARY = Path("dvc.lock"), Path(".dvc/tmp")
GOOD, DAMAGED = TEMPORARY / "dvc.lock.good", TEMPORARY / "dvc.lock.damaged"
NOTES = TEMPORARY / "rwlock"  # DVC's notes on which process reads and writes what


def keep() -> None:
    """Copy dvc.lock if it is complete."""
    if not LOCK.is_file() or not TEMPORARY.parent.is_dir():
        return
    content = LOCK.read_bytes()
    if is_whole(content) and not (GOOD.is_file() and GOOD.read_bytes() == content):
        _put(GOOD, content)


def mend() -> None:
    """Restore a damaged dvc.lock from its copy, and remove stale notes that would block DVC.

    Raises:
        UserError: dvc.lock is damaged, and there is no copy.
    """
    if LOCK.is_file() and not is_whole(damaged := LOCK.read_bytes()):
        if not GOOD.is_file():
            raise UserError(f"{LOCK} is damaged, and there is no copy: restore it from git, or remove it")
        _put(DAMAGED, damaged)
        _put(LOCK, GOOD.read_bytes())
        print(
            f"{LOCK} was damaged, as by a kill: the copy {GOOD} is in its place now, it is {DAMAGED}", file=sys.stderr
        )
    if NOTES.is_file() and _left_by_a_kill(_notes()):
        _mend_notes()


def is_whole(content: bytes) -> bool:
    """Whether this is a complete dvc.lock, as DVC reads and writes it."""
    try:
        lock = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):
        return False
    if not content.endswith(b"\n") or not isinstance(lock, dict) or lock.get("schema") != "2.0":
        return False
    stages = lock.get("stages")
    return isinstance(stages, dict) and all(map(_is_stage, stages.values()))


def _is_stage(stage: Any) -> bool:
    if not isinstance(stage, dict) or not isinstance(stage.get("cmd"), str | list):
        return False
    files = [entry for part in ("deps", "outs") if part in stage for entry in (stage[part] or [None])]
    return all(isinstance(entry, dict) and entry.keys() - {"path", "hash"} for entry in files)


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole_file(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def _notes() -> dict[str, Any] | None:
    """Read DVC's notes; None if they are damaged."""
    try:
        notes = json.loads(NOTES.read_text(encoding="utf8"))
        _processes(notes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(notes)


def _processes(notes: dict[str, Any]) -> set[int]:
    readers = [one for several in notes.get("read", {}).values() for one in several]
    return {int(one["pid"]) for one in (*notes.get("write", {}).values(), *readers)}


def _left_by_a_kill(notes: dict[str, Any] | None) -> bool:
    return notes is None or not all(map(_is_dvc, _processes(notes)))


def _is_dvc(number: int) -> bool:
    """Whether a process is running and is DVC: its id may have been reused by another program."""
    import psutil

    try:
        return any(Path(word).name.startswith("dvc") for word in psutil.Process(number).cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _mend_notes() -> None:
    """Drop the notes of processes that are gone, while holding DVC's own lock on the notes."""
    from dvc.lock import LockError, make_lock

    try:
        with make_lock(str(NOTES) + ".lock", tmp_dir=str(TEMPORARY)):
            notes = _notes() or {}
            gone = {number for number in _processes(notes) if not _is_dvc(number)}
            write = {path: one for path, one in notes.get("write", {}).items() if one["pid"] not in gone}
            read = {path: [o for o in some if o["pid"] not in gone] for path, some in notes.get("read", {}).items()}
            kept = {"write": write, "read": {path: some for path, some in read.items() if some}}
            _put(NOTES, json.dumps(kept).encode())
    except LockError:  # a running DVC is using them
        return
