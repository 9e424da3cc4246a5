"""The contrastive loss (Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by learning an invariant mapping").

Their equation 4 adds D^2 / 2 of pairs that belong together and max(0, margin - D)^2 / 2 of those that do not, over all
pairs. Strangers are many and mostly far apart already; here each sum is a mean over the pairs that count: pairs that
belong together, and strangers nearer than the margin.
"""

from __future__ import annotations

import torch
from torch import Tensor


def contrastive(codes: Tensor, people: Tensor, margin: float) -> Tensor:
    """Of all pairs of codes.

    Args:
        codes: shape (n, d).
        people: shape (n,): whose they are.
        margin: distance from which strangers are far enough.
    """
    same = people[:, None] == people[None]
    upper = torch.ones_like(same).triu(1)  # each pair once, none with itself
    distances = distances_between(codes, codes)
    return together(distances[same & upper]) + apart(distances[~same & upper], margin)


def against(codes: Tensor, people: Tensor, strangers: Tensor, margin: float) -> Tensor:
    """Codes of one's own pulled together, and pushed away from given codes of strangers; one's own are not separated.

    Args:
        codes: shape (n, d).
        people: shape (n,): whose they are.
        strangers: shape (m, d): codes of others.
        margin: distance from which strangers are far enough.
    """
    own = (people[:, None] == people[None]).triu(1)
    return together(distances_between(codes, codes)[own]) + apart(distances_between(codes, strangers), margin)


def distances_between(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean, all with all, shape (n, m); with a gradient where they are 0."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return squares.clamp_min(1e-9).sqrt()


def together(distances: Tensor) -> Tensor:
    """Half the mean square; 0 without any."""
    return distances.square().sum() / 2 / max(1, distances.numel())


def apart(distances: Tensor, margin: float) -> Tensor:
    """Half the mean square of what is missing to the margin, over those to whom something is missing."""
    missing = (margin - distances).clamp_min(0)
    return missing.square().sum() / 2 / (missing > 0).sum().clamp_min(1)
