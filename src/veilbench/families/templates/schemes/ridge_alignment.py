"""Alignment of ridge maps, and their correlation when they are aligned."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from veilbench.families.templates.schemes.ridge_kernels import sample_moved

ANGLES = np.deg2rad(np.arange(-24, 25, 4)).astype(np.float32)  # rotations that are tried
LARGEST, STEP = 1 / 6, 2  # largest shift along an axis, as a share of the side; distance of the tried shifts in pixels
SPARSE = 4  # every so many pixels are compared to find the alignment; a multiple of STEP
LEAST_OVERLAP = 0.2  # share of the compared pixels; a smaller overlap counts as this one
SLACK, STIFFNESS = 3, 0.003  # largest local shift in pixels; what a shift of one pixel costs
SPACING, SPREAD = 8, 7.0  # distance of the grid's points, and standard deviation of the window around each, in pixels
LEAST_SHARE, LEAST_POINTS = 0.3, 1 / 18  # of a window that has to overlap; of the grid's points that have to count


class Aligner:
    """Finds how maps have to be moved onto one map.

    Args:
        ridges: the map, shape (h, h), with mean square 1 where there are ridges.
    """

    def __init__(self, ridges: np.ndarray) -> None:
        side = len(ridges)
        most = STEP * int(LARGEST * side / STEP)
        shifts = np.arange(-most, most + 1, STEP, dtype=np.float32)
        self.shape = len(ANGLES), len(shifts), len(shifts)
        self.moves = np.stack(np.meshgrid(ANGLES, shifts, shifts, indexing="ij"), -1).reshape(-1, 3)
        self.places = np.arange(SPARSE // 2, side, SPARSE)
        self.moved = self._move(ridges, most)
        self.printed = (self.moved != 0).astype(np.float32)

    def _move(self, ridges: np.ndarray, most: int) -> np.ndarray:
        """Return the map at the places under all moves, shape (moves, places).

        The shifts and the places lie on one grid, so each rotation is sampled only once.
        """
        grid = np.arange(self.places[0] - most, self.places[-1] + most + 1, STEP, dtype=np.float32)
        turned = np.empty((len(ANGLES), len(grid) ** 2), np.float32)
        sample_moved(ridges, np.stack([ANGLES, *[np.zeros_like(ANGLES)] * 2], 1), grid, turned)
        width, every = self.places[-1] - self.places[0] + 1, SPARSE // STEP
        window = -(-width // STEP)
        views = np.lib.stride_tricks.sliding_window_view(
            turned.reshape(-1, len(grid), len(grid)), (window, window), axis=(1, 2)
        )
        return views[..., ::every, ::every].reshape(len(self.moves), -1)

    def find(self, maps: np.ndarray, count: int) -> np.ndarray:
        """Return the best moves of each map, of which no two are neighbours.

        Args:
            maps: maps, shape (n, h, h).
            count: number of moves of each.

        Returns:
            Moves as `sample_moved` takes them, shape (n, count, 3).
        """
        from scipy.ndimage import maximum_filter

        rows = maps[:, self.places][:, :, self.places].reshape(len(maps), -1)
        overlap = (rows != 0).astype(np.float32) @ self.printed.T
        scores = rows @ self.moved.T / np.maximum(overlap, LEAST_OVERLAP * rows.shape[1])
        folded = scores.reshape(-1, *self.shape)
        peaks = maximum_filter(folded, size=(1, 3, 3, 3), mode="constant", cval=-np.inf) == folded
        ranked = np.where(peaks.reshape(scores.shape), scores, scores - 10)
        best = np.argpartition(-ranked, count - 1, axis=1)[:, :count]
        return np.asarray(self.moves[best])


def correlate_locally(one: np.ndarray, other: np.ndarray, move: np.ndarray) -> float:
    """Return the mean over a grid of the correlations of two aligned maps, each at the best small shift.

    Args:
        one: map with mean square 1 where there are ridges, shape (h, h).
        other: map that is moved onto it, of the same shape.
        move: rotation and shifts as `sample_moved` takes them, shape (3,).

    Returns:
        Mean of the correlations, in about [0, 1]. Points without enough overlap do not count; if too few count, the
        others are taken as 0.
    """
    side = len(one)
    windows, shifts, costs = _windows(side)
    frame = np.arange(-SLACK, side + SLACK, dtype=np.float32)
    moved = np.empty((1, len(frame) ** 2), np.float32)
    sample_moved(other, move[None], frame, moved)
    wide = moved.reshape(len(frame), len(frame))
    ends = [(SLACK + down, SLACK + right) for down, right in shifts]
    shifted = np.stack([wide[down : down + side : 2, right : right + side : 2] for down, right in ends])
    thin, still = one[::2, ::2], wide[SLACK : SLACK + side : 2, SLACK : SLACK + side : 2]
    share = windows @ ((thin != 0) & (still != 0)).astype(np.float32) @ windows.T
    products = windows @ (thin * shifted) @ windows.T / np.maximum(share, LEAST_SHARE)
    weights = np.where(share > LEAST_SHARE, share, 0)
    best = (products - costs[:, None, None]).max(0)
    return float((best * weights).sum() / max(weights.sum(), LEAST_POINTS * weights.size))


@lru_cache(maxsize=4)
def _windows(side: int) -> tuple[np.ndarray, list[tuple[int, int]], np.ndarray]:
    """Return the windows along an axis, shape (points, side / 2), the small shifts, and what each costs."""
    centres = np.arange(SPACING // 2, side, SPACING)
    windows = np.exp(-((np.arange(0, side, 2) - centres[:, None]) ** 2) / (2 * SPREAD**2))
    near = range(-SLACK, SLACK + 1)
    shifts = [(down, right) for down in near for right in near if down**2 + right**2 <= SLACK**2 + 1]
    costs = STIFFNESS * np.array([down**2 + right**2 for down, right in shifts])
    return (windows / windows.sum(1).max()).astype(np.float32), shifts, costs.astype(np.float32)
