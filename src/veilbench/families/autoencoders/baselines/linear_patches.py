"""The best linear restoration of each pixel from its neighbourhood, for any corruption."""

from __future__ import annotations

import numpy as np

from veilbench.bench.checked_arrays import Shape
from veilbench.families.autoencoders.baselines.corruption_restorer import CorruptionRestorer
from veilbench.families.autoencoders.data.rows import Rows

SIDES, MOST_PIXELS, RIDGE = (1, 3, 5, 7, 9), 50_000, 1e-6


class LinearPatches(CorruptionRestorer):
    """Linear least squares from the square around a pixel, with all channels, to the clean pixel.

    It is fitted to training images that it corrupts itself; the side of the square is the one of `SIDES` with the
    lowest error on validation images. At the border, images are padded with their outermost pixels. `Wiener` does the
    same for noise, where the covariance of the corrupted patches is known.

    Args:
        corruption: corruption to undo, of any class.
    """

    array_names = ("map", "constant")

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the map, shape (side, side, c, c), and the constant, shape (c,)."""
        train, check = ((part.x, self.corrupt(part.x, rng)) for part in (rows.train, rows.validation))
        pixels = rng.permutation(train[0][:, 0].size)[:MOST_PIXELS]
        candidates = [_fit_map(*train, side, pixels) for side in SIDES if side <= min(rows.shape[1:])]
        errors = [np.mean((_apply_map(check[1], **candidate) - check[0]) ** 2) for candidate in candidates]
        return candidates[int(np.argmin(errors))]

    def check_arrays(self, row: tuple[int, ...]) -> None:
        """Raise a `ValueError` if a restored array has another shape, type or range than those of `fit_arrays`."""
        super().check_arrays(row)
        if self["map"].shape[0] not in SIDES or self["map"].shape[0] != self["map"].shape[1]:
            raise ValueError(f"map has shape {list(self['map'].shape)}, sides of one of {SIDES} are needed")

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"map": (None, None, row[0], row[0]), "constant": (row[0],)}

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore corrupted images, shape (n, c, h, w), float32."""
        return np.concatenate([_apply_map(image[None], **self.fitted_arrays) for image in rows])


def _fit_map(clean: np.ndarray, seen: np.ndarray, side: int, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Fit map and constant to some pixels of all images; the ridge handles equal channels."""
    squares = _squares(seen, side)
    places = np.unravel_index(pixels, squares.shape[:3])
    x = squares[places].reshape(len(pixels), -1).astype(np.float64)
    y = clean.transpose(0, 2, 3, 1)[places].astype(np.float64)
    centred = x - x.mean(0)
    normal = centred.T @ centred / len(x) + RIDGE * np.eye(x.shape[1])
    solved = np.linalg.solve(normal, centred.T @ (y - y.mean(0)) / len(x))
    shape = (side, side, clean.shape[1], clean.shape[1])
    return {"map": solved.reshape(shape), "constant": y.mean(0) - x.mean(0) @ solved}


def _apply_map(seen: np.ndarray, map: np.ndarray, constant: np.ndarray) -> np.ndarray:
    answer = np.einsum("nhwijc,ijcd->ndhw", _squares(seen, len(map)), map, optimize=True)
    return np.asarray(answer + constant[:, None, None], np.float32)


def _squares(images: np.ndarray, side: int) -> np.ndarray:
    """Return the square around each pixel, shape (n, h, w, side, side, c), as a view."""
    reach = side // 2
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (2, 3))
    return np.asarray(windows.transpose(0, 2, 3, 4, 5, 1))
