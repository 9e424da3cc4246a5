"""Encodes the labels of files as classes, and finds labels that are nearly equal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from veilbench.bench.errors import UserError


def encode_classes(
    values: np.ndarray, where: str, notes: list[str], labels: Sequence[str] = ()
) -> tuple[np.ndarray, list[str]]:
    """Encode a column of labels as class indices.

    Args:
        values: shape (n,) or (n, 1): integers, booleans or texts; whitespace around texts is removed.
        where: name of the column, for error messages.
        notes: list to which notes about changes are appended.
        labels: class names if the values are the indices 0, 1, ...; if empty, each distinct value is a class named
            after it, in sorted order.

    Returns:
        Class indices, shape (n,), int64, and the class names.

    Raises:
        UserError: the values are not labels, or an index has no name.
    """
    flat = values.reshape(-1) if values.shape[1:] in ((), (1,)) else values
    if flat.ndim != 1:
        raise UserError(f"{where} of shape {values.shape} holds no labels: one for each row is needed")
    if np.issubdtype(flat.dtype, np.floating):
        whole = np.isfinite(flat) & (flat == np.round(flat)) & (np.abs(flat) <= EXACT)
        if not whole.all():
            raise UserError(f"{where} does not hold classes but numbers such as {flat[~whole][0]}")
        flat = flat.astype(np.int64)
    if flat.dtype.kind in "US":
        flat = strip_texts(flat, where, notes)
    if not labels:
        names, y = np.unique(flat, return_inverse=True)
        if len(names) == 1:
            notes.append(f"{where} holds only the label {names[0]}, so there is nothing to classify")
        return y.astype(np.int64), [str(name) for name in names]
    if flat.dtype.kind not in "iub" or (len(flat) and (flat.min() < 0 or flat.max() >= len(labels))):
        strange = next(v for v in np.unique(flat) if flat.dtype.kind not in "iub" or not 0 <= v < len(labels))
        raise UserError(f"{where} holds {strange}; with labels={list(labels)}, 0 to {len(labels) - 1} is allowed")
    return flat.astype(np.int64), list(labels)


def strip_texts(texts: np.ndarray, where: str, notes: list[str]) -> np.ndarray:
    """Remove whitespace around texts, shape (n,); bytes are decoded as UTF-8.

    Raises:
        UserError: a text is empty or not UTF-8.
    """
    try:
        texts = np.char.decode(texts, "utf8") if texts.dtype.kind == "S" else texts
    except UnicodeDecodeError as error:
        raise UserError(f"{where} holds bytes that are not UTF-8: {error}") from error
    plain = np.char.strip(texts)
    if (empty := int((plain == "").sum())) > 0:
        raise UserError(f"{where} holds {empty:,} empty texts; the first is in row {int(np.argmax(plain == ''))}")
    if (changed := int((plain != texts).sum())) > 0:
        notes.append(f"{where}: whitespace around {changed:,} texts was removed")
    return np.asarray(plain)


EXACT = 2**53  # float64 represents every integer up to here exactly


def normalise_label(label: str) -> str:
    """Normalise a label: labels that differ only in case, whitespace or Unicode form become equal."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def note_similar_names(names: Sequence[str], what: str) -> list[str]:
    """Return a note for each name that `normalise_label` makes equal to an earlier one, and that is its own class."""
    seen: dict[str, str] = {}
    pairs = [(name, first) for name in names if (first := seen.setdefault(normalise_label(name), name)) != name]
    return [f"{what} {first!r} and {name!r} count as different ones" for name, first in pairs]
