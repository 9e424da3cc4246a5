"""Adversarial training against impersonation: the inner maximisation step (Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from veilbench.bench.limits import Count, NotNegative, Steps


class Impersonation:
    """Perturbs images within an Linf ball towards another person's code, by signed gradient steps.

    Args:
        epsilon: radius of the ball; pixels are in [0, 1]. 0 disables the attack.
        steps: number of gradient steps, with a total length of 2.5 * epsilon, from a random point of the ball.
        people: maximum number of identities in a batch whose images are perturbed; each costs `steps` + 1 additional
            forward passes.
    """

    def __init__(
        self,
        epsilon: NotNegative = 0.05,
        steps: Steps = 2,
        people: Count = 16,
    ) -> None:
        self.epsilon, self.steps, self.people = epsilon, steps, people

    def perturb(
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
            perturbed = (images + change).clamp(0, 1).requires_grad_()
            with torch.enable_grad():
                similarity = (codes(perturbed) * targets).sum()
            (gradient,) = torch.autograd.grad(similarity, perturbed)
            change = perturbed.detach() - images + 2.5 / self.steps * self.epsilon * gradient.sign()
            change = change.clamp(-self.epsilon, self.epsilon)
        return (images + change).clamp(0, 1)
