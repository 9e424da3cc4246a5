"""Aggregation rules as functions of unprotected updates: the mean, and rules that are robust to poisoned updates."""

from __future__ import annotations

import numpy as np


def median(updates: np.ndarray) -> np.ndarray:
    """Return the coordinate-wise median over the clients (Yin et al. 2018), shape (size,)."""
    medians: np.ndarray = np.median(updates, axis=0)
    return medians


def trimmed_mean(updates: np.ndarray, share: float) -> np.ndarray:
    """Return the coordinate-wise mean without the largest and smallest values (Yin et al. 2018), shape (size,).

    Args:
        updates: one update per client, shape (clients, size).
        share: share of the clients whose values are dropped at each end, in [0, 0.5).

    Raises:
        ValueError: no value would remain, or `share` is not in [0, 0.5).
    """
    clients = len(updates)
    cut = int(share * clients)
    if not 0 <= share < 0.5 or 2 * cut >= clients:
        raise ValueError(f"a share of {share} cut off at each end leaves nothing of {clients} clients")
    means: np.ndarray = np.sort(updates, axis=0)[cut : clients - cut].mean(0)
    return means


def krum(updates: np.ndarray, malicious: int) -> int:
    """Return the index of the update with the lowest score of `krum_scores`, the first one in case of a tie."""
    return int(krum_scores(updates, malicious).argmin())


def krum_scores(updates: np.ndarray, malicious: int) -> np.ndarray:
    """Return how far each update is from its nearest neighbours (Blanchard et al. 2017), shape (clients,).

    The score of an update is the sum of squared distances to its `clients - malicious - 2` nearest neighbours.

    Args:
        updates: one update per client, shape (clients, size).
        malicious: assumed number of malicious clients.

    Raises:
        ValueError: there are fewer than `malicious + 3` clients, or `malicious` is negative.
    """
    clients = len(updates)
    if malicious < 0 or (nearest := clients - malicious - 2) < 1:
        raise ValueError(f"Krum with {malicious} malicious clients needs at least {malicious + 3}, got {clients}")
    squares = (updates**2).sum(1)
    distances = squares[:, None] + squares - 2 * updates @ updates.T
    np.fill_diagonal(distances, np.inf)
    scores: np.ndarray = np.sort(distances, axis=1)[:, :nearest].sum(1)
    return scores


def geometric_median(updates: np.ndarray, iterations: int = 100, smoothing: float = 1e-6) -> np.ndarray:
    """Return the point with the smallest sum of distances to the updates, shape (size,).

    RFA, the smoothed Weiszfeld algorithm (Pillutla, Kakade and Harchaoui 2022). It starts from the
    coordinate-wise median, and ends early once a step is shorter than the smallest distance that counts. No number of
    malicious clients is assumed.

    Args:
        updates: one update per client, shape (clients, size).
        iterations: maximum number of reweighted means.
        smoothing: smallest distance that counts, as a share of the median distance, which a minority cannot enlarge.
    """
    centre = median(updates)
    for _ in range(iterations):
        distances = np.linalg.norm(updates - centre, axis=1)
        least = smoothing * float(np.median(distances))
        if not least:  # most updates are equal
            break
        weights = 1 / np.maximum(distances, least)
        moved = weights @ updates / weights.sum()
        step, centre = float(np.linalg.norm(moved - centre)), moved
        if step < least:
            break
    return centre


def clipped_mean(updates: np.ndarray, largest_norm: float | None = None) -> np.ndarray:
    """Return the mean of updates that are shortened to a largest norm (Sun et al. 2019), shape (size,).

    No number of malicious clients is assumed.

    Args:
        updates: one update per client, shape (clients, size).
        largest_norm: maximum Euclidean norm of an update; None takes the median of the norms.
    """
    norms = np.linalg.norm(updates, axis=1)
    bound = float(np.median(norms)) if largest_norm is None else largest_norm
    factors = bound / np.maximum(norms, bound or 1.0)
    clipped: np.ndarray = (factors[:, None] * updates).mean(0)
    return clipped
