"""How many people can templates distinguish? Collisions, effective bits, and the nearest stranger."""

from __future__ import annotations

import numpy as np

from veilbench.metrics.biometric import Comparisons


def collisions(templates: np.ndarray, identities: np.ndarray) -> tuple[int, int]:
    """Count pairs of equal templates of two identities, and all pairs of templates of two identities.

    Args:
        templates: templates, shape (n, ...), compared byte by byte.
        identities: identity of each template, shape (n,).
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
    """Return the number of independent coin tosses with the variance of strangers' distances (Daugman 2003, section 4).

    N = p (1 - p) / s^2 for the mean p and the standard deviation s of Hamming distances, as shares of the bits; with
    p = 1/2 these are the effective bits of a binary code.

    Raises:
        ValueError: a distance is outside [0, 1], or all are equal.
    """
    mean, variance = float(distances.mean()), float(distances.var())
    if distances.min() < 0 or distances.max() > 1:
        raise ValueError(f"distances from {distances.min()} to {distances.max()} are not shares of bits")
    if variance == 0:
        raise ValueError(f"all {len(distances)} distances are {mean}: they have no spread")
    return mean * (1 - mean) / variance


def effective_bits(distances: np.ndarray) -> float:
    """Return bits of entropy: degrees of freedom times the entropy of one toss with the mean distance.

    A code's bit with probability q differs between strangers with probability p = 2 q (1 - q); its entropy is that of
    q.
    """
    mean = float(np.clip(distances.mean(), 0, 0.5))
    q = (1 - np.sqrt(1 - 2 * mean)) / 2
    entropy = 0.0 if q == 0 else -q * np.log2(q) - (1 - q) * np.log2(1 - q)
    return degrees_of_freedom(distances) * float(entropy)


def nearest_strangers(comparisons: Comparisons, templates: int) -> np.ndarray:
    """Return the best score of each first template with another identity; shape (templates,).

    Args:
        comparisons: all comparisons, as made by `Comparisons.of_all`.
        templates: number of rows of the score matrix that they were made from.
    """
    masked = np.where(comparisons.mated, -np.inf, comparisons.scores)
    return np.asarray(masked.reshape(templates, -1).max(1))
