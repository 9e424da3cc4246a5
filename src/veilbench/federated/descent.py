"""Local optimizer steps of a federated client."""

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
    """Take one optimizer step per batch and return the mean loss.

    Args:
        loss: maps a batch of shape (rows, ...) to a scalar.
        parameters: parameters to train, in place.
        optimizer: optimizer that holds `parameters`.
        batches: tensors of shape (1, rows, ...).
        proximal: mu of FedProx (Li et al. 2020), the strength of the pull towards the initial values; the
            returned loss does not include this term.
    """
    anchor = [p.detach().clone() for p in parameters] if proximal else []
    losses: list[Tensor] = []
    for (batch,) in batches:
        optimizer.zero_grad(set_to_none=True)
        value = loss(batch)
        drift = [((p - a) ** 2).sum() for p, a in zip(parameters, anchor, strict=bool(anchor))]
        torch.autograd.backward(value + proximal / 2 * torch.stack(drift).sum() if drift else value)
        optimizer.step()
        losses.append(value.detach())
    return float(torch.stack(losses).mean())


def create_optimizer(
    parameters: Iterable[nn.Parameter], optimizer: str, learning_rate: float, momentum: float
) -> torch.optim.Optimizer:
    """Create PyTorch's fused Adam or SGD.

    Args:
        parameters: parameters that the optimizer updates.
        optimizer: name of the optimizer, `adam` or `sgd`.
        learning_rate: learning rate of the optimizer.
        momentum: momentum of `sgd`; `adam` ignores it.
    """
    if optimizer == "adam":
        return torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, fused=True)
