"""Labels and names as files hold them: the classes that they make, and which of them are alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from veilbench.bench.errors import UserError


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


EXACT = 2**53  # float64 holds every whole number up to here


def alike(label: str) -> str:
    """What two labels share that differ in case, blanks or the way their letters are encoded alone."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def twins(names: Sequence[str], what: str) -> list[str]:
    """A note for each name that is another one but for case or blanks, and yet counts as a class of its own."""
    seen: dict[str, str] = {}
    pairs = [(name, first) for name in names if (first := seen.setdefault(alike(name), name)) != name]
    return [f"{what} {first!r} and {name!r} count as different ones" for name, first in pairs]
