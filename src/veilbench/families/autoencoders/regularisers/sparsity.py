"""Penalties for sparse codes."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Positive
from veilbench.families.autoencoders.regularisers.base import Regulariser


class L1(Regulariser):
    """Penalises the mean absolute value of the code's units.

    Args:
        weight: weight of the penalty relative to the reconstruction loss.
    """

    def __init__(self, weight: Positive = 1e-3) -> None:
        self.weight = weight

    def penalty(self, encoder: nn.Module, rows: Tensor, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """Return the weighted penalty of each row, shape (n,)."""
        return self.weight * encoded.flatten(1).abs().mean(1)


class KlSparsity(Regulariser):
    """Penalises the divergence of each unit's mean activation over the batch from a small target.

    After Ng's lecture notes CS294A, "Sparse autoencoder", section 3. The code must be in (0, 1), as with a logistic
    code activation.

    Args:
        weight: weight of the penalty relative to the reconstruction loss.
        share: target of the mean activation, in (0, 1).
    """

    def __init__(self, weight: Positive = 1e-2, share: Annotated[float, Gt(0), Lt(1)] = 0.05) -> None:
        self.weight, self.share = weight, share

    def penalty(self, encoder: nn.Module, rows: Tensor, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """Return the weighted penalty of each row, shape (n,).

        Raises:
            UserError: a unit's mean activation is outside [0, 1].
        """
        means = encoded.flatten(1).mean(0)
        if float(means.detach().min()) < 0 or float(means.detach().max()) > 1:
            raise UserError(
                "model.regulariser: the KL sparsity penalty needs a code in [0, 1]; set code_activation to sigmoid"
            )
        means = means.clamp(1e-6, 1 - 1e-6)
        p = self.share
        divergence = p * torch.log(p / means) + (1 - p) * torch.log((1 - p) / (1 - means))
        return (self.weight * divergence.mean()).expand(len(rows))
