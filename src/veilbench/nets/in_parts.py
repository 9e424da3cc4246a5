"""Application of a network to many rows in parts, to bound the memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def apply_in_parts(work: Callable[[Tensor], Tensor], rows: np.ndarray, at_once: int) -> np.ndarray:
    """Apply `work` without gradients to at most `at_once` rows at a time, shape (n, ...) to (n, ...).

    Args:
        work: function of float32 tensors that treats rows independently.
        rows: input rows, shape (n, ...); n may be 0.
        at_once: maximum number of rows per call.
    """
    parts = np.split(rows, range(at_once, len(rows), at_once))
    with torch.no_grad():
        made = [work(torch.from_numpy(np.ascontiguousarray(part, np.float32))) for part in parts]
    return np.asarray(torch.cat(made).numpy())
