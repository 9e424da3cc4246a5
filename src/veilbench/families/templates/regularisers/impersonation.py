"""Adversarial training against impersonation: the inner maximisation step (Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from veilbench.bench.limits import Count, NotNegative, Steps


class Impersonation:
    """Perturbs images within an Linf ball towards another person's code, by signed gradient steps.

    Args:
        epsilon: radius of the ball, in grey levels of [0, 1], to which pixels are clipped. 0 leaves the attack out.
        steps: number of gradient steps, with a total length of 2.5 * epsilon, from a random point of the ball.
        people: maximum number of identities in a batch whose images are attacked; each costs `steps` + 1 more passes.
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
        """Return the images, perturbed towards the targets.

        Args:
            codes: differentiable function from images to codes of length 1.
            images: images to perturb, shape (n, 1, h, w), in [0, 1].
            targets: codes of other people, shape (n, code).
            generator: source of the random starting points, on the CPU.
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
