"""Ridge regression in closed form (Hoerl and Kennard 1970), for many regularisation strengths at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STRENGTHS = tuple(10.0**power for power in range(-6, 5))  # per training row, of standardised inputs
Inverse = Callable[[np.ndarray], np.ndarray]  # codes -> flat rows


def ridge(
    codes: np.ndarray, rows: np.ndarray, held_out_codes: np.ndarray, held_out_rows: np.ndarray
) -> tuple[Inverse, float]:
    """Fit the linear map from codes to rows, with the strength that has the lowest error on held-out rows.

    Args:
        codes: training codes, shape (n, code).
        rows: training rows, shape (n, numbers), flat.
        held_out_codes: codes that choose the strength, shape (m, code).
        held_out_rows: rows of these codes, shape (m, numbers), flat.

    Returns:
        The map, and its mean squared error on the held-out rows.
    """
    centre, scale = codes.mean(0, dtype=np.float64), codes.std(0, dtype=np.float64)
    scale[scale == 0] = 1
    mean = rows.mean(0, dtype=np.float64)
    left, values, right = np.linalg.svd((codes - centre) / scale, full_matrices=False)
    turned, tested = left.T @ (rows - mean), (held_out_codes - centre) / scale @ right.T

    def shrunk(strength: float) -> np.ndarray:
        return np.asarray((values / (values**2 + strength * len(codes)))[:, None] * turned)

    best = STRENGTHS[int(np.argmin(_squared_errors(values, turned, tested, held_out_rows - mean, len(codes))))]
    error = float(((tested @ shrunk(best) + mean - held_out_rows) ** 2).mean())
    weights = right.T @ shrunk(best)
    return lambda seen: np.asarray((seen - centre) / scale @ weights + mean), error


def _squared_errors(
    values: np.ndarray, turned: np.ndarray, tested: np.ndarray, wanted: np.ndarray, count: int
) -> np.ndarray:
    """Return the sum of squared errors on held-out rows of each strength, up to a constant.

    The error is a quadratic form in the shrunk singular values, so that the products with all numbers of the rows are
    computed once instead of once for each strength.

    Args:
        values: singular values of the training codes, shape (k,).
        turned: training rows in the coordinates of the singular vectors, shape (k, numbers).
        tested: held-out codes in these coordinates, shape (m, k).
        wanted: centred held-out rows, shape (m, numbers).
        count: number of training codes.
    """
    factors = values / (values**2 + np.asarray(STRENGTHS)[:, None] * count)  # (strengths, k)
    squares, products = (tested.T @ tested) * (turned @ turned.T), ((tested.T @ wanted) * turned).sum(1)
    return np.asarray(((factors @ squares) * factors).sum(1) - 2 * factors @ products)
