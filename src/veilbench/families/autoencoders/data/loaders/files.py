"""What every loader of files asks: is the file there, and which classes do these labels make?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veilbench.data.raw import EXACT
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


def classes(
    values: np.ndarray, where: str, notes: list[str], labels: Sequence[str] = ()
) -> tuple[np.ndarray, list[str]]:
    """Places and names of the classes that a column of labels makes.

    Args:
        values: shape (n,) or (n, 1): numbers without fractions, truth values or texts; blanks around texts are left
            out.
        where: the name of the column, for errors.
        notes: what was done is added.
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
        whole = np.isfinite(flat) & (flat == np.round(flat)) & (np.abs(flat) <= EXACT)
        if not whole.all():
            raise UserError(f"{where} holds no classes but numbers such as {flat[~whole][0]}")
        flat = flat.astype(np.int64)
    if flat.dtype.kind in "US":
        flat = stripped(flat, where, notes)
    if not labels:
        names, y = np.unique(flat, return_inverse=True)
        if len(names) == 1:
            notes.append(f"{where} holds the label {names[0]} alone: there is nothing to tell apart")
        return y.astype(np.int64), [str(name) for name in names]
    if flat.dtype.kind not in "iub" or (len(flat) and (flat.min() < 0 or flat.max() >= len(labels))):
        strange = next(v for v in np.unique(flat) if flat.dtype.kind not in "iub" or not 0 <= v < len(labels))
        raise UserError(f"{where} holds {strange}; with labels={list(labels)}, 0 to {len(labels) - 1} is allowed")
    return flat.astype(np.int64), list(labels)


def stripped(texts: np.ndarray, where: str, notes: list[str]) -> np.ndarray:
    """Texts without blanks around them, shape (n,); bytes are read as UTF-8.

    Raises:
        UserError: one is empty, or no UTF-8.
    """
    try:
        texts = np.char.decode(texts, "utf8") if texts.dtype.kind == "S" else texts
    except UnicodeDecodeError as error:
        raise UserError(f"{where} holds bytes that are no UTF-8: {error}") from error
    plain = np.char.strip(texts)
    if (empty := int((plain == "").sum())) > 0:
        raise UserError(f"{where} holds {empty:,} empty texts; the first is in row {int(np.argmax(plain == ''))}")
    if (changed := int((plain != texts).sum())) > 0:
        notes.append(f"{where}: blanks around {changed:,} texts are left out")
    return np.asarray(plain)
