"""Squared errors of stacked networks."""

from __future__ import annotations

from torch import Tensor


def summed_over_members(made: Tensor, wanted: Tensor, mask: Tensor | float = 1.0) -> Tensor:
    """Return the sum of the members' mean squared errors; the gradient of each member is as if trained alone.

    Args:
        made: outputs of the networks, shape (members, batch, units).
        wanted: targets, broadcastable to the same shape.
        mask: factor of each error, broadcastable to the same shape; 0 removes a unit from the sum, but not from the
            mean's denominator.
    """
    return (((made - wanted) * mask) ** 2).mean((1, 2)).sum()
