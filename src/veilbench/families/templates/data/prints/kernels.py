"""Compiled inner loops of the print generator. Import them only when they are called, because numba imports slowly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit  # type: ignore[import-untyped, unused-ignore]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compile_function(function: _Function) -> _Function:
    """Compile a function with numba, and keep its type for the type checker."""
    return cast(_Function, njit(cache=True, nogil=True, fastmath=True)(function))


@compile_function
def filter_pixels(image: np.ndarray, which: np.ndarray, bank: np.ndarray, out: np.ndarray) -> None:
    """Filter each pixel with its own kernel.

    Args:
        image: image padded by half a kernel on each side, shape (n + k - 1, n + k - 1), float32.
        which: index of each pixel's kernel, shape (n, n).
        bank: kernels, shape (kernels, k, k), float32.
        out: result, written in place, shape (n, n), float32.
    """
    side, kernels = bank.shape[1], bank.reshape(len(bank), -1)
    area = kernels.shape[1]
    strip = np.empty(len(image) * side, np.float32)  # k columns, in which the pixels under a kernel lie side by side
    for j in range(which.shape[1]):
        for i in range(len(image)):
            for q in range(side):
                strip[i * side + q] = image[i, j + q]
        for i in range(len(which)):
            kernel, pixels, total = kernels[which[i, j]], strip[i * side : i * side + area], np.float32(0)
            for place in range(area):
                total += kernel[place] * pixels[place]
            out[i, j] = total


@compile_function
def interpolate(master: np.ndarray, rows: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """Interpolate `master` by Catmull-Rom splines; 0 outside of it.

    Args:
        master: image to interpolate, shape (n, n), float32.
        rows: row coordinates in pixels, of any two-dimensional shape.
        columns: column coordinates in pixels, of the same shape.
        out: result, written in place, of the same shape, float32.
    """
    weights = np.empty((2, 4), np.float32)
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            row, column = int(np.floor(rows[i, j])), int(np.floor(columns[i, j]))
            out[i, j] = 0
            if row < 1 or column < 1 or row > master.shape[0] - 3 or column > master.shape[1] - 3:
                continue
            for axis, t in enumerate((rows[i, j] - row, columns[i, j] - column)):
                weights[axis, 0] = t * (-0.5 + t * (1 - 0.5 * t))
                weights[axis, 1] = 1 + t * t * (-2.5 + 1.5 * t)
                weights[axis, 2] = t * (0.5 + t * (2 - 1.5 * t))
                weights[axis, 3] = t * t * (-0.5 + 0.5 * t)
            for p in range(4):
                for q in range(4):
                    out[i, j] += weights[0, p] * weights[1, q] * master[row - 1 + p, column - 1 + q]
