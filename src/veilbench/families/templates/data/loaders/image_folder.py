"""Images in folders, one folder for each identity."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Side
from veilbench.families.templates.data.raw_identities import RawIdentities
from veilbench.images.image_file import SUFFIXES, list_entries, list_images, read_image, stack_images


class ImageFolder:
    """Reads `folder/identity/impression.png`; also jpg, bmp, tif, pgm and ppm. Colour becomes grey.

    `images.image_file.read_image` reads the files. Files next to the identities' folders are ignored; files in
    these folders that are not images are left out, and counted in the notes; so are subfolders. A file that lies under
    two people is used and noted.

    Args:
        folder: folder with one subfolder per identity; files and folders with a leading dot are ignored.
        size: height and width to stretch the images to, in pixels; None requires them all to have one size.
    """

    def __init__(self, folder: str, size: Sequence[Annotated[Side, Ge(8)]] | None = None) -> None:
        if size is not None and len(size) != 2:
            raise ValueError(f"size={list(size)} must be two numbers, height and width, or null")
        self.folder, self.size = folder, size

    def read(self) -> RawIdentities:
        """Read all images; identities and impressions are numbered in the natural order of their names.

        Raises:
            UserError: no images, an image that cannot be read, or images of several sizes.
        """
        notes: list[str] = []
        folders = [path for path in list_entries(Path(self.folder)) if path.is_dir()]
        people = [images for images in (list_images(path, notes) for path in folders) if images]
        notes += _note_subfolders(folders)
        if not people:
            raise UserError(f"{self.folder} holds no images; it needs identity/impression{{{','.join(SUFFIXES)}}}")
        files = [path for person in people for path in person]
        pixels = [read_image(path, True, self.size, "stretch") for path in files]
        images = np.rint(255 * stack_images(files, pixels, "set data.source.size, as [height, width]")).astype(np.uint8)
        notes += _note_shared_files(people)
        identities = np.repeat(np.arange(len(people)), [len(person) for person in people])
        numbers = np.concatenate([np.arange(len(person)) for person in people])
        notes.append(f"read {len(files):,} images of {len(people):,} identities")
        return RawIdentities(images, identities, numbers, notes=notes, files=[str(file) for file in files])


def _note_subfolders(folders: Sequence[Path]) -> list[str]:
    """Return a note for each identity's folder that holds folders, which are not read."""
    inner = {folder.name: [path.name for path in list_entries(folder) if path.is_dir()] for folder in folders}
    return [
        f"{name}: {len(found)} subfolders such as {found[0]} are not read" for name, found in inner.items() if found
    ]


def _note_shared_files(people: Sequence[Sequence[Path]]) -> list[str]:
    """Return a note for each file with the same bytes as a file of another identity."""
    seen: dict[str, Path] = {}
    notes = []
    for path in (path for images in people for path in images):
        first = seen.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
        if first.parent != path.parent:
            pair = " and ".join(f"{file.parent.name}/{file.name}" for file in (first, path))
            notes.append(f"{pair} are the same image, under two people")
    return notes
