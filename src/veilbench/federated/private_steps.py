"""A client's local steps with differential privacy of each example, by Opacus."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import ExampleNoise
from veilbench.federated.aggregations.noise import steps_of


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
) -> float:
    """DP-SGD (Abadi et al. 2016, algorithm 1), with whatever optimizer; the mean loss, which is not protected.

    Every step draws each example with the same chance, independently of all others, so that a batch may be larger or
    smaller than `batch_size`, or empty; its sum of gradients is divided by the expected size.

    Args:
        loss: of a batch: a mean over examples, none of which changes another's part.
        net: what is learned, of layers that Opacus knows.
        optimizer: on the net's parameters.
        rows: the client's examples, shape (n, ...).
        batch_size: the expected size of a batch, at most.
        epochs: each of as many steps as there are whole or partial batches.
        noise: clipping and noise.
        proximal: mu of FedProx; see `descent.descend`.
        seed: of the samples and of the noise.
    """
    opacus = _opacus()
    parameters, steps = list(net.parameters()), steps_of(len(rows), batch_size)
    anchor = [p.detach().clone() for p in parameters]
    generator = torch.Generator(rows.device).manual_seed(seed)
    private = opacus.optimizers.DPOptimizer(
        optimizer,
        noise_multiplier=noise.noise_multiplier,
        max_grad_norm=noise.clip,
        expected_batch_size=len(rows) / steps,
        generator=generator,
    )
    watched, losses = opacus.GradSampleModule(net, loss_reduction="mean"), list[Tensor]()
    try:
        for _ in range(epochs * steps):
            private.zero_grad(set_to_none=True)
            batch = rows[torch.rand(len(rows), generator=generator, device=rows.device) < 1 / steps]
            losses += _gradients(loss, parameters, batch)
            private.pre_step()
            for parameter, begin in zip(parameters, anchor, strict=True):
                assert parameter.grad is not None
                parameter.grad += proximal * (parameter.detach() - begin)
            optimizer.step()
    finally:
        watched.to_standard_module()
    return float(torch.stack(losses).mean()) if losses else 0.0


def _gradients(loss: Callable[[Tensor], Tensor], parameters: list[nn.Parameter], batch: Tensor) -> list[Tensor]:
    """Leave each example's gradient at its parameter; the loss, where there is an example."""
    if not len(batch):
        for parameter in parameters:
            parameter.grad_sample = parameter.new_zeros(0, *parameter.shape)  # type: ignore[attr-defined]
        return []
    warnings.filterwarnings("ignore", "Full backward hook is firing when")  # tokens need no gradient
    made = loss(batch if batch.is_floating_point() else batch.long())  # Opacus scatters by int64 alone
    torch.autograd.backward(made)
    return [made.detach()]


def _opacus() -> Any:
    """The library, which is not installed by default."""
    try:
        import opacus
        import opacus.optimizers
    except ImportError as error:
        raise UserError("aggregation=local_dp needs the package opacus: pip install 'veilbench[federated]'") from error
    return opacus
