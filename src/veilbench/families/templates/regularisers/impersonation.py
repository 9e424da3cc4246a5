"""Prints that were changed a little to pass for another's: adversarial training's inner step (Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from veilbench.bench.limits import Count, NotNegative, Steps


class Impersonation:
    """Moves images within a ball so that their codes come near another's, by signed gradient steps in Linf.

    Args:
        epsilon: radius of the ball; pixels are in [0, 1], and stay there. 0 leaves the attack out.
        steps: of the descent, 2.5 * epsilon long together; the start is anywhere in the ball.
        people: of a batch whose images are attacked, at most; each costs `steps` + 1 more passes.
    """

    def __init__(
        self,
        epsilon: NotNegative = 0.05,
        steps: Steps = 2,
        people: Count = 16,
    ) -> None:
        self.epsilon, self.steps, self.people = epsilon, steps, people

    def attacked(
        self, codes: Callable[[Tensor], Tensor], images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The images, moved towards the targets.

        Args:
            codes: from images to codes of length 1, differentiable.
            images: shape (n, 1, h, w).
            targets: shape (n, code): codes of others.
            generator: draws the starts, on the CPU.
        """
        change = self.epsilon * (2 * torch.rand(images.shape, generator=generator).to(images) - 1)
        for _ in range(self.steps):
            moved = (images + change).clamp(0, 1).requires_grad_()
            with torch.enable_grad():
                alike = (codes(moved) * targets).sum()
            (slope,) = torch.autograd.grad(alike, moved)
            change = moved.detach() - images + 2.5 / self.steps * self.epsilon * slope.sign()
            change = change.clamp(-self.epsilon, self.epsilon)
        return (images + change).clamp(0, 1)
