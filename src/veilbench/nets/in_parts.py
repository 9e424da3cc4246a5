"""A net on many rows: some at a time, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def in_parts(work: Callable[[Tensor], Tensor], rows: np.ndarray, at_once: int) -> np.ndarray:
    """`work` without gradients on at most `at_once` rows at a time, shape (n, ...) to (n, ...).

    Args:
        work: on tensors, float32, row by row.
        rows: also none at all.
        at_once: the most rows.
    """
    parts = np.split(rows, range(at_once, len(rows), at_once))
    with torch.no_grad():
        made = [work(torch.from_numpy(np.ascontiguousarray(part, np.float32))) for part in parts]
    return np.asarray(torch.cat(made).numpy())
