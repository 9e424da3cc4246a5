"""Checks of arrays that were read from a file: type, shape, finite values and range; each error is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

Shape: TypeAlias = Sequence[int | None]  # None: any length along this axis


def require_array(
    arrays: Mapping[str, np.ndarray],
    name: str,
    dtype: type,
    shape: Shape | None = None,
    *,
    low: float | None = None,
    high: float | None = None,
    finite: bool = True,
) -> np.ndarray:
    """Return the array `name` after checking it. It is read at most twice and never copied.

    Args:
        arrays: the arrays of a file by their names.
        name: name of the array to return.
        dtype: a type, such as `np.float32`, or a kind of types, such as `np.floating` or `np.integer`.
        shape: the length along each axis, None for any length; None instead of a shape allows every shape.
        low: smallest value allowed; None sets no limit.
        high: largest value allowed; None sets no limit.
        finite: whether to refuse infinite values and NaN. They are always refused if `low` or `high` is given.

    Raises:
        ValueError: the array is missing or fails a check. The message names the array, what it holds and what is
            allowed; the caller adds the file.
    """
    if name not in arrays:
        raise ValueError(f"the array {name} is missing; there are: {', '.join(sorted(arrays)) or 'none'}")
    array = arrays[name]
    require_dtype(array, name, dtype)
    if shape is not None:
        require_shape(array, name, shape)
    if finite or low is not None or high is not None:
        require_range(array, name, low, high)
    return array


def require_dtype(array: np.ndarray, name: str, dtype: type) -> None:
    """Refuse an array of another type.

    Raises:
        ValueError: the array's type is not `dtype`, or not of that kind.
    """
    if not np.issubdtype(array.dtype, dtype):
        raise ValueError(f"{name} is of type {array.dtype}, {dtype.__name__} is needed")


def require_shape(array: np.ndarray, name: str, shape: Shape) -> None:
    """Refuse an array of another shape.

    Raises:
        ValueError: the number of axes, or the length along one that is not None, differs.
    """
    fits = array.ndim == len(shape) and all(want in (None, have) for have, want in zip(array.shape, shape, strict=True))
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} has shape {list(array.shape)}, [{wanted}] is needed")


def require_range(array: np.ndarray, name: str, low: float | None = None, high: float | None = None) -> None:
    """Refuse values that are not finite, or outside the closed range [low, high].

    Raises:
        ValueError: the message names the value, its index and the range.
    """
    if not array.size or array.dtype.kind not in "fiub":
        return
    least, most = array.min(), array.max()  # both propagate NaN
    for value in (least, most):
        if not np.isfinite(value):
            place = _place(~np.isfinite(array))
            raise ValueError(f"{name} holds {array[place]} {_at(place)}, finite values are needed")
    if low is not None and least < low:
        raise ValueError(f"{name} holds {least} {_at(_place(array == least))}, at least {low} is needed")
    if high is not None and most > high:
        raise ValueError(f"{name} holds {most} {_at(_place(array == most))}, at most {high} is needed")


def _place(mask: np.ndarray) -> tuple[int, ...]:
    """Return the index of the first True."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _at(place: tuple[int, ...]) -> str:
    return f"at {list(place)}" if place else "alone"
