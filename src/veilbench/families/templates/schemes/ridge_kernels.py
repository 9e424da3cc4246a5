"""Compiled inner loops of ridge maps and of their alignment; numba is imported when one is first called."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np


def sample_moved(image: np.ndarray, moves: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Sample an image by linear interpolation on a square grid that is shifted, then rotated; 0 outside of it.

    Args:
        image: image to sample, shape (h, h), float32.
        moves: for each move its rotation around the image's centre in radians, and the shifts of the grid down and
            right in pixels before it is rotated; shape (m, 3), float32.
        places: rows of the grid, which are its columns too, in pixels, shape (p,), float32.
        out: result, written in place, shape (m, p p), float32.
    """
    _compile(_sample_moved)(image, moves, places, out)


def keep_strongest(responses: np.ndarray, out: np.ndarray) -> None:
    """Keep the response with the largest absolute value at each pixel.

    Args:
        responses: responses of several filters, shape (n, filters, h, w), complex64.
        out: the strongest ones, written in place, shape (n, h, w), complex64.
    """
    _compile(_keep_strongest)(responses, out)


@cache
def _compile(function: Callable[..., None]) -> Callable[..., Any]:
    from veilbench.families.templates.data.prints.kernels import compile_function

    return compile_function(function)


def _keep_strongest(responses: np.ndarray, out: np.ndarray) -> None:
    strengths = np.empty(out.shape[2], np.float32)
    for k in range(len(out)):
        for i in range(out.shape[1]):
            strengths[:] = -1
            for f in range(responses.shape[1]):
                line, best = responses[k, f, i], out[k, i]
                for j in range(len(strengths)):
                    strength = line[j].real ** 2 + line[j].imag ** 2
                    if strength > strengths[j]:
                        strengths[j], best[j] = strength, line[j]


def _sample_moved(image: np.ndarray, moves: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    side = image.shape[0]
    centre = np.float32((side - 1) / 2)
    for k in range(moves.shape[0]):
        cosine, sine = np.cos(moves[k, 0]), np.sin(moves[k, 0])
        for i in range(places.shape[0]):
            for j in range(places.shape[0]):
                down, right = places[i] - centre + moves[k, 1], places[j] - centre + moves[k, 2]
                row = cosine * down + sine * right + centre
                column = cosine * right - sine * down + centre
                top, left = int(np.floor(row)), int(np.floor(column))
                value = np.float32(0)
                if top >= 0 and left >= 0 and top < side - 1 and left < side - 1:
                    y, x = row - top, column - left
                    upper = (1 - x) * image[top, left] + x * image[top, left + 1]
                    lower = (1 - x) * image[top + 1, left] + x * image[top + 1, left + 1]
                    value = (1 - y) * upper + y * lower
                out[k, i * places.shape[0] + j] = value
