"""Local optimizer steps of a client with example-level differential privacy, by Opacus."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.aggregations.noise import count_steps


def descend_privately(
    loss: Callable[[Tensor], Tensor],
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    rows: Tensor,
    batch_size: int,
    epochs: int,
    noise: ExampleNoise,
    proximal: float,
    seed: int,
    declared: int | None = None,
) -> float:
    """Train by DP-SGD (Abadi et al. 2016), with any optimizer, and return the mean loss.

    Batches are Poisson samples: every step includes each example independently with the same probability, so a batch
    may be larger or smaller than `batch_size`, or empty. The sum of gradients is divided by the expected batch size.
    Probability and divisor follow from the declared number of examples, not from `rows`: they must not change with the
    example that is hidden (Ponomareva et al. 2023, "How to DP-fy ML"). The returned loss contains no noise, so it is
    not private and must not be published.

    Args:
        loss: maps a batch to the mean of its per-example losses, each of which depends on its own example only.
        net: network to train, in place; all its layers must be supported by Opacus.
        optimizer: optimizer of the network's parameters.
        rows: the client's examples, shape (n, ...).
        batch_size: upper bound of the expected batch size.
        epochs: number of epochs, of ceil(declared / batch_size) steps each.
        noise: clipping norm and noise multiplier of the per-example gradients.
        proximal: mu of FedProx (Li et al. 2020), the strength of the pull towards the initial weights.
        seed: seed of the sampling and of the noise.
        declared: number of examples that the client declares, which is public; None declares len(rows).
    """
    opacus = _import_opacus()
    size = len(rows) if declared is None else declared
    parameters, steps = list(net.parameters()), count_steps(size, batch_size)
    anchor = [p.detach().clone() for p in parameters]
    generator = torch.Generator(rows.device).manual_seed(seed)
    private = opacus.optimizers.DPOptimizer(
        optimizer,
        noise_multiplier=noise.noise_multiplier,
        max_grad_norm=noise.clip,
        expected_batch_size=size / steps,
        generator=generator,
    )
    wrapped, losses = opacus.GradSampleModule(net, loss_reduction="mean"), list[Tensor]()
    try:
        for _ in range(epochs * steps):
            private.zero_grad(set_to_none=True)
            batch = rows[torch.rand(len(rows), generator=generator, device=rows.device) < 1 / steps]
            losses += _compute_gradients(loss, parameters, batch)
            private.pre_step()
            for parameter, initial in zip(parameters, anchor, strict=True):
                assert parameter.grad is not None
                parameter.grad += proximal * (parameter.detach() - initial)
            optimizer.step()
    finally:
        wrapped.to_standard_module()
    return float(torch.stack(losses).mean()) if losses else 0.0


def _compute_gradients(loss: Callable[[Tensor], Tensor], parameters: list[nn.Parameter], batch: Tensor) -> list[Tensor]:
    """Store per-example gradients in `grad_sample`; return a list with the loss, or an empty one for an empty batch."""
    if not len(batch):
        for parameter in parameters:
            parameter.grad_sample = parameter.new_zeros(0, *parameter.shape)  # type: ignore[attr-defined]
        return []
    warnings.filterwarnings("ignore", "Full backward hook is firing when")  # tokens need no gradient
    value = loss(batch if batch.is_floating_point() else batch.long())  # Opacus needs int64 indices
    torch.autograd.backward(value)
    return [value.detach()]


def _import_opacus() -> Any:
    """Import Opacus, an optional dependency."""
    try:
        import opacus
        import opacus.optimizers
    except ImportError as error:
        raise UserError(
            "aggregation=example_dp needs the package opacus: pip install 'veilbench[federated]'"
        ) from error
    return opacus
