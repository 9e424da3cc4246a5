"""Keeps the artifacts of a SQLite store beside it, also after its checkout was moved or copied.

MLflow writes absolute locations into a store, so that a moved checkout would publish into the folder that it left.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

ARTIFACTS = "mlartifacts"
LOCATIONS = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"))


def artifact_uri(file: Path) -> str:
    """Return the location of a SQLite store's artifacts."""
    return (file.parent / ARTIFACTS).as_uri()


def correct_locations(file: Path) -> None:
    """Correct the locations of artifacts in a store that was moved or copied; other stores stay as they are.

    A store was moved if the recorded folder is gone, and copied if its artifacts also lie beside it.

    Args:
        file: file of the store, whose lock the caller holds.
    """
    here = artifact_uri(file)
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        recorded = connection.execute("SELECT artifact_location FROM experiments").fetchall()
        for there in {root for (uri,) in recorded if (root := _root(uri)) not in ("", here)}:
            if _path(here).is_dir() or not _path(there).is_dir():
                _replace(connection, there, here)


def _root(uri: str | None) -> str:
    """Return the part of a location up to the folder `mlartifacts`; empty if it lies elsewhere."""
    before, found, _ = f"{uri}/".partition(f"/{ARTIFACTS}/")
    return f"{before}/{ARTIFACTS}" if found and before.startswith("file:///") else ""


def _path(uri: str) -> Path:
    return Path(url2pathname(urlsplit(uri).path))


def _replace(connection: sqlite3.Connection, there: str, here: str) -> None:
    for table, column in LOCATIONS:
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column} || '/', 1, ?) = ?",
            (here, len(there) + 1, len(there) + 1, f"{there}/"),
        )
