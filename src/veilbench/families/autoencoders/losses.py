"""Reconstruction losses, computed per row."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from veilbench.bench.errors import UserError

Loss = Literal["auto", "mse", "bce", "multinomial"]
OUTPUTS = {"mse": "identity", "bce": "sigmoid", "multinomial": "softmax"}


def resolve_loss(loss: Loss, rows: np.ndarray) -> Literal["mse", "bce", "multinomial"]:
    """Return the name of the loss to use on these training rows; `auto` is `bce` within [0, 1], and `mse` otherwise.

    Raises:
        UserError: the loss cannot be used on rows of this range.
    """
    low, high = float(rows.min()), float(rows.max())
    unit = low >= 0 and high <= 1
    if loss == "auto":
        return "bce" if unit else "mse"
    if loss == "bce" and not unit:
        raise UserError(f"model.loss=bce needs rows in [0, 1], these are in [{low:g}, {high:g}]; allowed: auto, mse")
    if loss == "multinomial" and low < 0:
        raise UserError(f"model.loss=multinomial needs counts or shares, these are in [{low:g}, {high:g}]")
    return loss


def loss_per_row(loss: str, logits: Tensor, rows: Tensor) -> Tensor:
    """Compute the loss of each row, shape (n,).

    - `mse`: mean squared error over the row's values;
    - `bce`: mean binary cross-entropy of logistic outputs;
    - `multinomial`: negative log-likelihood of the row's counts under a softmax over its positions, divided by the
      number of counts (Liang et al. 2018, eq. 2).

    Args:
        loss: name of the loss: `mse`, `bce` or `multinomial`.
        logits: output of the decoder before the output function, shape (n, *shape).
        rows: rows to reconstruct, of the same shape.
    """
    logits, rows = logits.flatten(1), rows.flatten(1)
    if loss == "mse":
        return ((logits - rows) ** 2).mean(1)
    if loss == "bce":
        return functional.binary_cross_entropy_with_logits(logits, rows, reduction="none").mean(1)
    return torch.as_tensor(-(logits.log_softmax(1) * rows).sum(1) / rows.sum(1).clamp(min=1))
