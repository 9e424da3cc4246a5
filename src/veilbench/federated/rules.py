"""Robust means: what to make of updates when some of them may be poisoned. Pure functions of plain updates."""

from __future__ import annotations

import numpy as np


def weighted_mean(updates: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Federated averaging (McMahan et al. 2017): shapes (clients, size) and (clients,) to (size,)."""
    return np.average(updates, axis=0, weights=weights)


def median(updates: np.ndarray) -> np.ndarray:
    """Each value's median over the clients (Yin et al. 2018, definition 1); weights do not count."""
    made: np.ndarray = np.median(updates, axis=0)
    return made


def trimmed_mean(updates: np.ndarray, share: float) -> np.ndarray:
    """Each value's mean without its largest and smallest, that share of the clients at each end (Yin et al. 2018).

    Raises:
        ValueError: nothing would be left.
    """
    clients = len(updates)
    cut = int(share * clients)
    if not 0 <= share < 0.5 or 2 * cut >= clients:
        raise ValueError(f"a share of {share} cut off at each end leaves nothing of {clients} clients")
    made: np.ndarray = np.sort(updates, axis=0)[cut : clients - cut].mean(0)
    return made


def krum(updates: np.ndarray, malicious: int) -> int:
    """The client whose update lies nearest to its neighbours' (Blanchard et al. 2017).

    A client's score is the sum of squared distances to its nearest clients - malicious - 2 others; the lowest wins, the
    first of equal ones.

    Raises:
        ValueError: there are too few clients for so many malicious ones.
    """
    clients = len(updates)
    if malicious < 0 or (nearest := clients - malicious - 2) < 1:
        raise ValueError(f"Krum with {malicious} malicious clients needs at least {malicious + 3}, got {clients}")
    squares = (updates**2).sum(1)
    distances = squares[:, None] + squares - 2 * updates @ updates.T
    np.fill_diagonal(distances, np.inf)
    return int(np.sort(distances, axis=1)[:, :nearest].sum(1).argmin())
