"""An inversion attacker in the training loop: encoder and attacker take turns (Ganin et al. 2016, in spirit)."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn import functional

from veilbench.bench.limits import LearningRate, NotNegative, Side, Steps, Width, require_weights
from veilbench.families.templates.nets.print_encoder import standardised


class InversionAdversary:
    """A small decoder that learns images from codes, and a penalty for what it gets right.

    The images are standardised and made smaller, and the penalty ends where the decoder does no better than the mean
    image: a decoder that is worse than that would be told as much. It is one attacker, of one kind and size: what
    hides from it need not hide from others, which are trained afresh when the encoder is done.

    Args:
        weight: of the penalty: 1 minus the decoder's squared error over the mean image's, 0 or more.
            0 leaves the attacker out.
        hidden: units of the decoder's one hidden layer.
        side: height and width of the images that it makes.
        learning_rate: its Adam's.
        steps: that it takes for each of the encoder's.
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

    def begin(self, code: int) -> None:
        """A decoder with fresh weights, from torch's global generator."""
        shapes = [(code, self.hidden), (self.hidden, self.side**2)]
        require_weights(f"decoders of hidden={self.hidden}, side={self.side}", shapes)
        layers = nn.Linear(code, self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.side**2)
        self.decoder = nn.Sequential(*layers)
        self.optimizer = torch.optim.Adam(self.decoder.parameters(), self.learning_rate, fused=True)

    def penalty(self, codes: Tensor, images: Tensor) -> Tensor:
        """Let the decoder learn from a batch; then the weighted penalty, with the gradient of the codes.

        Args:
            codes: shape (n, code).
            images: shape (n, 1, h, w).
        """
        wanted = standardised(functional.adaptive_avg_pool2d(images.detach(), self.side)).flatten(1)
        self.decoder.to(codes.device)
        usual = (wanted - wanted.mean(0)).square().mean()
        for _ in range(self.steps):
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(self._error(codes.detach(), wanted))
            self.optimizer.step()
        self.decoder.requires_grad_(False)
        error = self._error(codes, wanted)
        self.decoder.requires_grad_(True)
        return self.weight * (1 - error / usual.clamp_min(1e-8)).clamp_min(0)

    def _error(self, codes: Tensor, wanted: Tensor) -> Tensor:
        return torch.as_tensor(self.decoder(codes * codes.shape[1] ** 0.5) - wanted).square().mean()
