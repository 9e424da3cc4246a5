"""The contrastive loss (Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by learning an invariant mapping").

Equation 4 of the paper adds D^2 / 2 over mated pairs and max(0, margin - D)^2 / 2 over non-mated ones. Since there are
many more non-mated pairs, most of them already far apart, each sum is replaced by a mean over the pairs that
contribute: mated pairs, and non-mated pairs nearer than the margin.
"""

from __future__ import annotations

import torch
from torch import Tensor


def contrastive(codes: Tensor, people: Tensor, margin: float) -> Tensor:
    """Compute the contrastive loss over all pairs of codes.

    Args:
        codes: codes, shape (n, d).
        people: identity of each code, shape (n,).
        margin: Euclidean distance from which non-mated pairs cost nothing.
    """
    same = people[:, None] == people[None]
    upper = torch.ones_like(same).triu(1)  # each pair once, none with itself
    distances = distances_between(codes, codes)
    return together(distances[same & upper]) + apart(distances[~same & upper], margin)


def against(codes: Tensor, people: Tensor, strangers: Tensor, margin: float) -> Tensor:
    """Compute the loss of own codes against given codes of strangers; own identities are not separated.

    Args:
        codes: own codes, shape (n, d).
        people: identity of each own code, shape (n,).
        strangers: codes of other people, shape (m, d).
        margin: Euclidean distance from which strangers cost nothing.
    """
    own = (people[:, None] == people[None]).triu(1)
    return together(distances_between(codes, codes)[own]) + apart(distances_between(codes, strangers), margin)


def distances_between(a: Tensor, b: Tensor) -> Tensor:
    """Return all Euclidean distances, shape (n, m); the gradient is finite at 0."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return squares.clamp_min(1e-9).sqrt()


def together(distances: Tensor) -> Tensor:
    """Return half the mean square of the distances; 0 if there are none."""
    return distances.square().sum() / 2 / max(1, distances.numel())


def apart(distances: Tensor, margin: float) -> Tensor:
    """Return half the mean squared shortfall from the margin, over the distances below it."""
    missing = (margin - distances).clamp_min(0)
    return missing.square().sum() / 2 / (missing > 0).sum().clamp_min(1)
