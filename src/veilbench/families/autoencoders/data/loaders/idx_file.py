"""Images and labels in the idx format of MNIST, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from math import prod

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.labels import encode_classes
from veilbench.families.autoencoders.data.loaders.files import require_file
from veilbench.families.autoencoders.data.raw import Raw

GZIP = b"\x1f\x8b"
UNSIGNED_BYTES = 8


class IdxFiles:
    """Reads a file of images and one of labels in the format of MNIST, Fashion-MNIST and KMNIST.

    The format: two zero bytes, the type of the numbers (8 for unsigned bytes, the only one supported), the number of
    axes,
    the length of each axis as four big-endian bytes, and the numbers.

    Args:
        images: file of images, with three axes.
        labels: file of labels, with one axis; None means that there are no classes.
    """

    def __init__(self, images: str, labels: str | None = None) -> None:
        self.images, self.labels = images, labels

    def read(self, rng: np.random.Generator) -> Raw:
        """Read all images, shape (n, 1, height, width), in [0, 1].

        Raises:
            UserError: a file is missing, damaged, truncated or of another kind, or the two do not belong together.
        """
        x = (read_idx(self.images, 3)[:, None] / np.float32(255)).astype(np.float32)
        if self.labels is None:
            return Raw(x, np.zeros(len(x), np.int64), [], ["all"])
        values = read_idx(self.labels, 1)
        if len(values) != len(x):
            raise UserError(f"{self.images} holds {len(x):,} images, {self.labels} {len(values):,} labels")
        notes: list[str] = []
        y, labels = encode_classes(values, self.labels, notes)
        return Raw(x, y, [], labels, notes)


def read_idx(path: str, axes: int) -> np.ndarray:
    """Read the array of unsigned bytes in an idx file.

    Args:
        path: path of the file; gzip is recognised by its first bytes.
        axes: required number of axes.

    Raises:
        UserError: the file is missing, damaged, truncated, too long, or has another type or number of axes.
    """
    content = require_file(path, "the idx file").read_bytes()
    if content[:2] == GZIP:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path} is a damaged gzip file: {error}") from error
    start = 4 + 4 * axes
    if content[:4] != bytes([0, 0, UNSIGNED_BYTES, axes]):
        raise UserError(
            f"{path} begins with {content[:4].hex(' ') or 'nothing'}; an idx file of unsigned bytes with {axes} axes "
            f"begins with 00 00 08 {axes:02x}"
        )
    if len(content) < start:
        raise UserError(f"{path} is cut short: {len(content)} bytes, fewer than its head of {start}")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", axes, 4))
    if len(content) != start + prod(shape):
        raise UserError(f"{path} says {shape}, {start + prod(shape):,} bytes with its head, but has {len(content):,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
