"""Adversarial training against inversion: encoder and decoder train in turn (similar to Ganin et al. 2016)."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn import functional

from veilbench.bench.limits import LearningRate, NotNegative, Side, Steps, Width, require_weights
from veilbench.families.templates.nets.print_encoder import standardise


class InversionAdversary:
    """Trains a small decoder from codes to images, and penalises the encoder for the decoder's success.

    The decoder's targets are standardised, downscaled images. The penalty is clipped at zero, where the decoder is as
    bad as the mean image: an even larger error would hide nothing more. Protection against this decoder does not imply
    protection against other inverters, which attackers train on the finished encoder.

    Args:
        weight: weight of the penalty, which is 1 minus the ratio of the decoder's squared error to the mean image's,
            clipped at 0. A weight of 0 disables the penalty.
        hidden: units of the decoder's one hidden layer.
        side: height and width of the decoder's images, in pixels.
        learning_rate: learning rate of the decoder's Adam.
        steps: decoder steps per encoder step.
    """

    def __init__(
        self,
        weight: NotNegative = 1.0,
        hidden: Width = 256,
        side: Annotated[Side, Ge(2)] = 48,
        learning_rate: LearningRate = 1e-3,
        steps: Steps = 1,
    ) -> None:
        self.weight, self.hidden, self.side = weight, hidden, side
        self.learning_rate, self.steps = learning_rate, steps

    def build_decoder(self, code: int) -> None:
        """Create a decoder with initial weights from torch's global generator.

        Args:
            code: length of the codes.
        """
        shapes = [(code, self.hidden), (self.hidden, self.side**2)]
        require_weights(f"decoders of hidden={self.hidden}, side={self.side}", shapes)
        layers = nn.Linear(code, self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.side**2)
        self.decoder = nn.Sequential(*layers)
        self.optimizer = torch.optim.Adam(self.decoder.parameters(), self.learning_rate, fused=True)

    def penalty(self, codes: Tensor, images: Tensor) -> Tensor:
        """Train the decoder on a batch, then return the weighted penalty, with gradients for the codes.

        Args:
            codes: codes of the images, shape (n, code).
            images: images of the batch, shape (n, 1, h, w).
        """
        target = standardise(functional.adaptive_avg_pool2d(images.detach(), self.side)).flatten(1)
        self.decoder.to(codes.device)
        baseline_error = (target - target.mean(0)).square().mean()
        for _ in range(self.steps):
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(self._error(codes.detach(), target))
            self.optimizer.step()
        self.decoder.requires_grad_(False)
        error = self._error(codes, target)
        self.decoder.requires_grad_(True)
        return self.weight * (1 - error / baseline_error.clamp_min(1e-8)).clamp_min(0)

    def _error(self, codes: Tensor, target: Tensor) -> Tensor:
        return torch.as_tensor(self.decoder(codes * codes.shape[1] ** 0.5) - target).square().mean()
