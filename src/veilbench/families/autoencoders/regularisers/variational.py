"""The variational autoencoder's code: sampled, and kept close to a standard normal distribution."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from veilbench.bench.limits import Positive
from veilbench.families.autoencoders.regularisers.base import Regulariser


class Variational(Regulariser):
    """Gaussian code, penalised by its divergence from the standard normal (Kingma and Welling 2014, appendix B).

    Args:
        beta: weight of the divergence (Higgins et al. 2017), which is divided by the row's size, as the loss is.
    """

    outputs = 2

    def __init__(self, beta: Positive = 1.0) -> None:
        self.beta = beta

    def draw(self, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """Sample the code; `encoded` holds means, followed by logarithms of variances."""
        mean, log_variance = encoded.chunk(2, 1)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device)
        return mean + noise * (log_variance / 2).exp()

    def penalty(self, encoder: nn.Module, rows: Tensor, encoded: Tensor, generator: torch.Generator) -> Tensor:
        """Return the weighted penalty of each row, shape (n,)."""
        mean, log_variance = encoded.chunk(2, 1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        return self.beta * divergence / rows.flatten(1).shape[1]
