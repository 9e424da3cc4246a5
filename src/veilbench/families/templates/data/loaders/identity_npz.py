"""Images and identities from a .npz file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.labels import encode_classes, note_similar_names
from veilbench.families.templates.data.raw_identities import RawIdentities


class IdentityNpz:
    """Reads named arrays of a .npz file; pickled objects are not loaded.

    Args:
        path: path of the file.
        images: name of the images' array, shape (n, h, w) or (n, 1, h, w), uint8 or floats in [0, 1].
        identities: name of the identities' array, shape (n,), numbers or words.
        impressions: name of the array of impression numbers, shape (n,); None numbers them in the order of the file.
    """

    def __init__(
        self, path: str, images: str = "images", identities: str = "identities", impressions: str | None = None
    ) -> None:
        self.path, self.images, self.identities, self.impressions = path, images, identities, impressions

    def read(self) -> RawIdentities:
        """Read all images.

        Raises:
            UserError: the file or an array is missing, or the arrays do not fit together.
        """
        if not Path(self.path).is_file():
            raise UserError(f"no file {self.path}")
        names_in_file = [name for name in (self.images, self.identities, self.impressions) if name]
        try:
            with np.load(self.path, allow_pickle=False) as file:
                if missing := [name for name in names_in_file if name not in file.files]:
                    raise UserError(f"{self.path} holds no array {missing[0]}; it has: {', '.join(file.files)}")
                images, labels, *rest = (file[name] for name in names_in_file)
        except UserError:
            raise
        except Exception as error:  # numpy, zipfile, zlib and tokenize raise errors of their own on a damaged file
            raise UserError(f"{self.path} cannot be read: {error}") from error
        if labels.ndim != 1 or len(labels) != len(images):
            raise UserError(f"{self.path}: {self.identities} has shape {labels.shape} for {len(images)} images")
        notes: list[str] = []
        numbers, names = encode_classes(labels, f"{self.path}: {self.identities}", notes)
        notes += note_similar_names(names, "the identities")
        order = self._to_integers(rest[0]) if rest else number_impressions(numbers)
        return RawIdentities(to_uint8(images, self.path), numbers, order, notes=notes)

    def _to_integers(self, numbers: np.ndarray) -> np.ndarray:
        integers = numbers.astype(np.int64) if numbers.dtype.kind in "iuf" and np.isfinite(numbers).all() else None
        if integers is None or (integers != numbers).any():
            raise UserError(f"{self.path}: {self.impressions} of type {numbers.dtype} must hold only integers")
        return integers


def number_impressions(identities: np.ndarray) -> np.ndarray:
    """Return the number of each image within its identity, in the order given; shape (n,), int64."""
    numbers = np.empty(len(identities), np.int64)
    for identity in np.unique(identities):
        rows = np.flatnonzero(identities == identity)
        numbers[rows] = np.arange(len(rows))
    return numbers


def to_uint8(images: np.ndarray, name: str) -> np.ndarray:
    """Convert images to the format of the data sets: shape (n, 1, h, w), uint8.

    Raises:
        UserError: the images have another shape or range.
    """
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3 or not len(images):
        raise UserError(f"{name}: images have shape {images.shape}; (n, h, w) or (n, 1, h, w) is needed")
    if images.dtype == np.uint8:
        return np.asarray(images[:, None])
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind != "f" or not 0 <= low <= high <= 1:
        raise UserError(
            f"{name}: images are {images.dtype} from {low} to {high}; uint8, or floats in [0, 1], is needed"
        )
    return np.asarray(np.rint(images[:, None] * 255), np.uint8)
