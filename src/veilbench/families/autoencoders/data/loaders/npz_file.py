"""Arrays in a .npz file: tables such as those of ADBench, and images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.labels import encode_classes
from veilbench.families.autoencoders.data.loaders.files import require_file
from veilbench.families.autoencoders.data.raw import Raw


class NpzFile:
    """Reads a .npz file with one array of rows and one of labels. Nothing is unpickled.

    Rows of shape (n, columns) are a table, shape (n, height, width) is grey images, and four axes are images with
    channels.
    Images of integers are divided by the largest number of their type (255 for uint8); others must be in [0, 1].
    The files of ADBench (Han et al. 2022) have `X` and `y`, with 1 for an anomaly: `labels=[normal, anomaly]`.

    Args:
        path: path of the file.
        x: name of the array of rows.
        y: name of the array of labels; None means that there are no classes.
        labels: names of the labels 0, 1, ...; if empty, classes are named by their values.
        channels: whether the channels of an array with four axes are the second ("first") or the last axis ("last").
    """

    def __init__(
        self,
        path: str,
        x: str = "X",
        y: str | None = "y",
        labels: Sequence[str] = (),
        channels: Literal["first", "last"] = "first",
    ) -> None:
        self.path, self.x, self.y, self.labels, self.channels = path, x, y, list(labels), channels

    def read(self, rng: np.random.Generator) -> Raw:
        """Read all rows.

        Raises:
            UserError: the file is missing, damaged or of another kind, or its arrays are not rows and labels.
        """
        arrays = self._read_arrays()
        x = arrays[self.x]
        if x.dtype.kind not in "fiub" or x.ndim not in (2, 3, 4):
            raise UserError(f"{self.path}: {self.x} of shape {x.shape} and type {x.dtype} holds no rows of numbers")
        notes: list[str] = []
        if self.y is None:
            y, labels = np.zeros(len(x), np.int64), ["all"]
        else:
            y, labels = encode_classes(arrays[self.y], f"{self.path}: {self.y}", notes, self.labels)
        if x.ndim == 2:
            return Raw(x, y, [f"column_{i}" for i in range(x.shape[1])], labels, notes)
        return Raw(self._scale_images(x), y, [], labels, notes)

    def _read_arrays(self) -> dict[str, np.ndarray]:
        wanted = [self.x] if self.y is None else [self.x, self.y]
        path = require_file(self.path, "the arrays")
        try:
            file = np.load(path, allow_pickle=False)
        except Exception as error:  # numpy, zipfile and zlib each raise errors of their own on a damaged file
            raise UserError(f"{path} is no .npz file that can be read: {error}") from error
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise UserError(f"{path} holds a single array; an .npz file with {' and '.join(wanted)} is needed")
        with file:
            if missing := [name for name in wanted if name not in file.files]:
                raise UserError(f"{path} has no array {missing[0]}; there are: {', '.join(file.files) or 'none'}")
            try:
                return {name: file[name] for name in wanted}
            except Exception as error:
                raise UserError(f"{path} holds what cannot be read without unpickling: {error}") from error

    def _scale_images(self, x: np.ndarray) -> np.ndarray:
        x = x[:, None] if x.ndim == 3 else np.moveaxis(x, -1, 1) if self.channels == "last" else x
        if x.dtype.kind == "f":
            if x.size and not (x.min() >= 0 and x.max() <= 1):  # NaN is refused here too
                raise UserError(f"{self.path}: images of {x.dtype} lie in [{x.min()}, {x.max()}]; [0, 1] is allowed")
            return x.astype(np.float32)
        if x.dtype.kind == "i":
            raise UserError(f"{self.path}: images of {x.dtype}; uint8, uint16 or fractions in [0, 1] are allowed")
        return (x / (1 if x.dtype.kind == "b" else np.iinfo(x.dtype).max)).astype(np.float32)
