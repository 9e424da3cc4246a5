"""The contrastive loss (Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by learning an invariant mapping").

Equation 4 of the paper adds D^2 / 2 over mated pairs and max(0, margin - D)^2 / 2 over non-mated ones. Since there are
many more non-mated pairs, most of them already far apart, each sum is replaced by a mean over the pairs that
contribute: mated pairs, and non-mated pairs nearer than the margin.
"""

from __future__ import annotations

import torch
from torch import Tensor


def contrastive_loss(codes: Tensor, people: Tensor, margin: float) -> Tensor:
    """Compute the contrastive loss over all pairs of codes.

    Args:
        codes: codes, shape (n, d).
        people: identity of each code, shape (n,).
        margin: Euclidean distance from which non-mated pairs cost nothing.
    """
    same = people[:, None] == people[None]
    upper = torch.ones_like(same).triu(1)  # each pair once, none with itself
    distances = pairwise_distances(codes, codes)
    return mated_loss(distances[same & upper]) + non_mated_loss(distances[~same & upper], margin)


def contrastive_loss_with_strangers(codes: Tensor, people: Tensor, strangers: Tensor, margin: float) -> Tensor:
    """Compute the contrastive loss of own codes against fixed codes of strangers.

    Mated pairs are pairs of own codes, and non-mated pairs consist of an own code and a stranger's code; own codes of
    different identities form no pairs.

    Args:
        codes: own codes, shape (n, d).
        people: identity of each own code, shape (n,).
        strangers: codes of other people, shape (m, d).
        margin: Euclidean distance from which non-mated pairs cost nothing.
    """
    mated = (people[:, None] == people[None]).triu(1)
    return mated_loss(pairwise_distances(codes, codes)[mated]) + non_mated_loss(
        pairwise_distances(codes, strangers), margin
    )


def pairwise_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return the Euclidean distances of all pairs, shape (n, m), with a finite gradient at 0."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return squares.clamp_min(1e-9).sqrt()


def mated_loss(distances: Tensor) -> Tensor:
    """Return half the mean square of the distances; 0 if there are none."""
    return distances.square().sum() / 2 / max(1, distances.numel())


def non_mated_loss(distances: Tensor, margin: float) -> Tensor:
    """Return half the mean squared shortfall from the margin, over the distances below it."""
    shortfall = (margin - distances).clamp_min(0)
    return shortfall.square().sum() / 2 / (shortfall > 0).sum().clamp_min(1)
