"""How many people can templates tell apart: collisions, effective bits, and how near the nearest stranger is."""

from __future__ import annotations

import numpy as np

from veilbench.metrics.biometric import Comparisons


def collisions(templates: np.ndarray, identities: np.ndarray) -> tuple[int, int]:
    """Pairs of equal templates of two identities, and all pairs of templates of two identities.

    Args:
        templates: shape (n, ...), compared byte by byte.
        identities: shape (n,).
    """
    flat = np.ascontiguousarray(templates).reshape(len(templates), -1)
    rows = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
    kinds = np.unique(rows, return_inverse=True)[1].ravel()
    people = np.unique(identities, return_inverse=True)[1]

    def pairs(labels: np.ndarray) -> int:
        counts = np.unique(labels, return_counts=True)[1]
        return int((counts * (counts - 1) // 2).sum())

    same_person = pairs(people)
    both = pairs(kinds * (people.max() + 1) + people)
    return pairs(kinds) - both, len(identities) * (len(identities) - 1) // 2 - same_person


def degrees_of_freedom(distances: np.ndarray) -> float:
    """Independent fair-or-not coin tosses whose spread is that of strangers' distances (Daugman 2003, section 4).

    N = p (1 - p) / s^2 for the mean p and the standard deviation s of Hamming distances, as shares of the bits; with
    p = 1/2 these are the effective bits of a binary code.

    Raises:
        ValueError: distances outside [0, 1], or all the same.
    """
    mean, variance = float(distances.mean()), float(distances.var())
    if distances.min() < 0 or distances.max() > 1:
        raise ValueError(f"distances from {distances.min()} to {distances.max()} are not shares of bits")
    if variance == 0:
        raise ValueError(f"all {len(distances)} distances are {mean}: they have no spread")
    return mean * (1 - mean) / variance


def effective_bits(distances: np.ndarray) -> float:
    """Bits of entropy that so many tosses hold: degrees of freedom times the entropy of one with the mean distance.

    A code's bit with chance q differs between strangers with chance p = 2 q (1 - q); it holds the entropy of q.
    """
    mean = float(np.clip(distances.mean(), 0, 0.5))
    q = (1 - np.sqrt(1 - 2 * mean)) / 2
    entropy = 0.0 if q == 0 else -q * np.log2(q) - (1 - q) * np.log2(1 - q)
    return degrees_of_freedom(distances) * float(entropy)


def nearest_strangers(comparisons: Comparisons, templates: int) -> np.ndarray:
    """For each of the first templates, the best score with another identity; shape (templates,).

    Args:
        comparisons: made by `Comparisons.of_all`.
        templates: rows of the matrix that they were made of.
    """
    masked = np.where(comparisons.mated, -np.inf, comparisons.scores)
    return np.asarray(masked.reshape(templates, -1).max(1))
