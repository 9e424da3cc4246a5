"""What every loader of files asks: is the file there, and which classes do these labels make?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veilbench.errors import UserError


def existing(path: str, kind: str) -> Path:
    """The path of a file that exists.

    Args:
        path: as the user gave it; a relative one is seen from the folder that the pipeline runs in.
        kind: what it should hold, for the error.

    Raises:
        UserError: there is no such file.
    """
    found = Path(path)
    if not found.is_file():
        what = "is a folder" if found.is_dir() else "there is no such file"
        raise UserError(f"{kind} {path}: {what}; put it there, or name another path in data.source")
    return found


def classes(values: np.ndarray, where: str, labels: Sequence[str] = ()) -> tuple[np.ndarray, list[str]]:
    """Places and names of the classes that a column of labels makes.

    Args:
        values: shape (n,) or (n, 1): numbers without fractions, truth values or texts.
        where: the name of the column, for errors.
        labels: the name of each number, where the values are numbers from 0; empty: a class is called what its value
            is, in the order of the values.

    Returns:
        Places, shape (n,), int64, and the names.

    Raises:
        UserError: the values are no classes, or a number has no name.
    """
    flat = values.reshape(-1) if values.shape[1:] in ((), (1,)) else values
    if flat.ndim != 1:
        raise UserError(f"{where} of shape {values.shape} holds no labels: one for each row is needed")
    if np.issubdtype(flat.dtype, np.floating):
        whole = np.isfinite(flat) & (flat == np.round(flat))
        if not whole.all():
            raise UserError(f"{where} holds no classes but numbers such as {flat[~whole][0]}")
        flat = flat.astype(np.int64)
    if not labels:
        names, y = np.unique(flat, return_inverse=True)
        return y.astype(np.int64), [str(name) for name in names]
    if flat.dtype.kind not in "iub" or (len(flat) and (flat.min() < 0 or flat.max() >= len(labels))):
        strange = next(v for v in np.unique(flat) if flat.dtype.kind not in "iub" or not 0 <= v < len(labels))
        raise UserError(f"{where} holds {strange}; with labels={list(labels)}, 0 to {len(labels) - 1} is allowed")
    return flat.astype(np.int64), list(labels)
