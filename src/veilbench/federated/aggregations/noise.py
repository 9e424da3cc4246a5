"""Clipping of updates, and the steps of a private training."""

from __future__ import annotations

import numpy as np


def clip_update(update: np.ndarray, norm: float) -> np.ndarray:
    """Scale the update down to a maximum Euclidean norm."""
    length = float(np.linalg.norm(update))
    return update * (norm / length) if length > norm else update


def count_steps(size: int, batch_size: int) -> int:
    """Return the number of steps per epoch, ceil(size / batch_size), at least 1.

    Every step samples each example with probability 1 / steps.

    Args:
        size: number of examples that the client declares.
        batch_size: upper bound of the expected batch size.
    """
    return max(1, -(-size // batch_size))
