"""The penalty of contractive autoencoders: the sensitivity of the code to the row (Rifai et al. 2011, eq. 3)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Positive
from veilbench.families.autoencoders.regularisers.base import Regulariser


class Contractive(Regulariser):
    """Penalises the squared Frobenius norm of the encoder's Jacobian, per unit of the code.

    Args:
        weight: weight of the penalty relative to the reconstruction loss.
        jacobian: `exact` for the closed form, which requires an encoder of one linear layer with an elementwise
            activation (Rifai et al. 2011, eq. 4); `estimated` for Hutchinson's estimate by random projections, which
            works for any encoder; `auto` for the exact form where it applies.
        probes: number of random projections of the estimate.
    """

    def __init__(
        self,
        weight: Positive = 1e-2,
        jacobian: Literal["auto", "exact", "estimated"] = "auto",
        probes: Count = 1,
    ) -> None:
        self.weight, self.jacobian, self.probes = weight, jacobian, probes

    def penalty(self, encoder: nn.Module, rows: Tensor, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """Return the weighted penalty of each row, shape (n,).

        Raises:
            UserError: `jacobian` is "exact", but the encoder has more than one layer.
        """
        layer = single_layer(encoder)
        if self.jacobian == "exact" and layer is None:
            raise UserError(
                "model.regulariser.jacobian=exact needs an encoder of one linear layer; use estimated, or layers=0"
            )
        if layer is not None and self.jacobian != "estimated":
            norm = jacobian_norm(layer, rows, encoded)
        else:
            norm = estimate_jacobian_norm(encoder, rows, self.probes, generator)
        return self.weight * norm / encoded.flatten(1).shape[1]


def single_layer(encoder: nn.Module) -> tuple[nn.Linear, nn.Module] | None:
    """Return the linear layer and the activation of a one-layer encoder; None for any other encoder."""
    parts = [part for part in encoder.children() if not isinstance(part, nn.Flatten)]
    if len(parts) == 2 and isinstance(parts[0], nn.Linear):
        return parts[0], parts[1]
    return None


def jacobian_norm(layer: tuple[nn.Linear, nn.Module], rows: Tensor, encoded: Tensor) -> Tensor:
    """Return the squared Frobenius norm of the Jacobian of one layer, shape (n,)."""
    linear, act = layer
    before = linear(rows.flatten(1))
    slopes = torch.autograd.grad(act(before).sum(), before, create_graph=True)[0]
    return torch.as_tensor((slopes**2) @ (linear.weight**2).sum(1))


def estimate_jacobian_norm(encoder: nn.Module, rows: Tensor, probes: int, generator: torch.Generator) -> Tensor:
    """Estimate the squared Frobenius norm of the Jacobian, shape (n,).

    The estimate is the mean of |v J|^2 over random signs v (Hutchinson 1990).
    """
    rows = rows.detach().requires_grad_()
    encoded = encoder(rows).flatten(1)
    total = torch.zeros(len(rows), device=rows.device)
    for _ in range(probes):
        signs = torch.randint(0, 2, encoded.shape, generator=generator, device=rows.device) * 2.0 - 1
        moved = torch.autograd.grad((encoded * signs).sum(), rows, create_graph=True)[0]
        total = total + (moved.flatten(1) ** 2).sum(1)
    return total / probes
