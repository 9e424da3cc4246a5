"""Local steps: what a client of any federation does with its batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


def descend(
    loss: Callable[[Tensor], Tensor],
    parameters: Sequence[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Tensor],
    proximal: float,
) -> float:
    """One step per batch; the mean loss.

    Args:
        loss: of a batch.
        parameters: what is learned.
        optimizer: on the parameters.
        batches: each of shape (1, rows, ...).
        proximal: mu of FedProx (Li et al. 2020, equation 2): how strongly the parameters are held to where they are.
    """
    anchor = [p.detach().clone() for p in parameters] if proximal else []
    losses: list[Tensor] = []
    for (batch,) in batches:
        optimizer.zero_grad(set_to_none=True)
        made = loss(batch)
        drift = [((p - a) ** 2).sum() for p, a in zip(parameters, anchor, strict=bool(anchor))]
        torch.autograd.backward(made + proximal / 2 * torch.stack(drift).sum() if drift else made)
        optimizer.step()
        losses.append(made.detach())
    return float(torch.stack(losses).mean())


def optimizer_of(
    parameters: Iterable[nn.Parameter], optimizer: str, learning_rate: float, momentum: float
) -> torch.optim.Optimizer:
    """Adam or SGD, fused."""
    if optimizer == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, fused=True)
