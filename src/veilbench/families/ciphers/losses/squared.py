"""Squared errors of stacked networks."""

from __future__ import annotations

from torch import Tensor


def summed_over_members(made: Tensor, wanted: Tensor, mask: Tensor | float = 1.0) -> Tensor:
    """Each member's mean squared error, summed: every member learns as if it were alone.

    Args:
        made: shape (members, batch, units).
        wanted: broadcasts to the same shape.
        mask: broadcasts too; 0 leaves a unit out of the sum, but not out of the mean's denominator.
    """
    return (((made - wanted) * mask) ** 2).mean((1, 2)).sum()
