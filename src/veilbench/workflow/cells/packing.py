"""Folders as bytes, for machines that share no folder."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path


def pack(folder: Path) -> bytes:
    """Return all files and folders below a folder as the bytes of a ZIP file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # weights hardly shrink
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write what `pack` returned into an existing folder, over files of the same names."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
