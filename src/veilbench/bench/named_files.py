"""A digest of the files that a configuration names: weights, tables, folders of images or mails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veilbench.bench.folders import content_digest

LONGEST = 1_024  # characters of a path


def find_named_files(node: Any) -> list[Path]:
    """Return the existing files and folders that the arguments of a resolved configuration name, sorted.

    Every text that is the path of something counts. A setting that has the name of a folder by accident only means that
    a stage runs again when that folder changes.

    Args:
        node: resolved settings. Paths are relative to the current folder.
    """
    return sorted({Path(text) for text in _arguments(node, within=False) if _exists(text)})


def digest_named_files(node: Any) -> str:
    """Return 16 hexadecimal digits for the paths and contents of all files that settings name; empty without any."""
    if not (paths := find_named_files(node)):
        return ""
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(f"{path.as_posix()} {_digest(path)}\n".encode())
    return hashed.hexdigest()[:16]


def _arguments(node: Any, within: bool) -> Iterator[str]:
    """Yield the texts among the arguments of classes, at any depth."""
    if isinstance(node, dict):
        within = within or "_target_" in node
        for key, child in node.items():
            if key != "_target_":
                yield from _arguments(child, within)
    elif isinstance(node, list):
        for child in node:
            yield from _arguments(child, within)
    elif within and isinstance(node, str):
        yield node


def _exists(text: str) -> bool:
    if text.strip("./") == "" or "\0" in text or len(text) > LONGEST:
        return False
    try:
        return Path(text).exists()
    except OSError:  # the name is too long for the file system
        return False


def _digest(path: Path) -> str:
    if path.is_dir():
        return content_digest(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
