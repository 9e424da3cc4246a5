"""Squared errors of stacked networks."""

from __future__ import annotations

from torch import Tensor


def ensemble_mse(outputs: Tensor, targets: Tensor, mask: Tensor | float = 1.0) -> Tensor:
    """Compute the sum of the members' mean squared errors; each member's gradient is as if it were trained alone.

    Args:
        outputs: outputs of the networks, shape (members, batch, units).
        targets: targets, broadcastable to the same shape.
        mask: factor of each error, broadcastable to the same shape; 0 removes a unit from the sum, but not from the
            mean's denominator.
    """
    return (((outputs - targets) * mask) ** 2).mean((1, 2)).sum()
