"""Arrays in files of the type .npy, mapped instead of read: the parts that are not used take no memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def create_file(folder: Path, name: str, shape: Sequence[int]) -> np.ndarray:
    """Create a file of float32 zeros, and return it as an array; what is assigned to the array is in the file.

    Args:
        folder: an existing folder to write into.
        name: name of the file, without its ending.
        shape: shape of the array.
    """
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float32, shape=tuple(shape))


def map_file(folder: Path, name: str) -> np.ndarray:
    """Return the array in a file; assignments to it change neither the file nor other arrays.

    Args:
        folder: folder of the file.
        name: name of the file, without its ending.

    Raises:
        OSError, ValueError: the file is missing, or shorter than it says.
    """
    return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False))
