"""SlerpFace: features that are rotated towards noise, group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Lt

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Width
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.families.templates.schemes.extractor import Extractor

if TYPE_CHECKING:
    from torch import Tensor

EDGE = 1e-6  # an angle between features and noise stays this far from 0 and from pi, where its sine vanishes


class SlerpFace(DifferentiableScheme):
    """Groups of features, each rotated towards a user's noise, with some values dropped (Zhong et al. 2025, "SlerpFace:
    face template protection via spherical linear interpolation", arXiv 2407.03043).

    A group z and its noise k, both of length 1 and at an angle t, become sin((1 - alpha) t) / sin(t) z + sin(alpha t) /
    sin(t) k. Some values of each group are left out, and the rest is scaled to length 1. The score is the mean cosine
    of the groups. The defaults of `alpha`, `dropped` and `group` are those of the authors' public code, and so are
    these steps.

    What differs is ours. In the paper a network is trained to divide features into groups and to weight them by
    attention, which also changes alpha and the number of dropped values of each group; here feature i belongs to group
    i modulo the number of groups, and all groups weigh the same. There the noise and the positions of the dropped
    values are drawn at enrolment and stored with the template; here both are drawn from the user's key, so a store
    holds them only where the threat model grants `key`. They draw the positions with replacement, so that fewer values
    are dropped than named; here exactly `dropped` of them, rounded, are.

    Args:
        extractor: maps samples to feature vectors.
        alpha: how far a group is rotated towards the noise: 0 leaves it, 1 leaves nothing of it.
        dropped: share of each group's values that are left out.
        group: features in a group; divides their number.
    """  # noqa: D205

    own_arguments = ("alpha", "dropped", "group")

    def __init__(
        self,
        extractor: Extractor,
        alpha: Annotated[float, Ge(0), Lt(1)] = 0.9,
        dropped: Annotated[float, Ge(0), Lt(1)] = 0.5,
        group: Annotated[Width, Ge(2)] = 16,
    ) -> None:
        if round(dropped * group) > group - 2:
            raise ValueError(f"dropped={dropped} must leave two values or more of group={group}")
        super().__init__(extractor)
        self.alpha, self.dropped, self.group = alpha, dropped, group

    def draw_noise(self, width: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a user's noise and the positions that are kept.

        Args:
            width: number of features.
            rng: source of all random numbers, seeded with the user's key.

        Returns:
            Noise of length 1, shape (groups, group), float64, and positions in each group, shape (groups, kept), int64.
        """
        if width % self.group:
            raise UserError(f"model.group={self.group} must divide {width}, the number of features")
        shape = (width // self.group, self.group)
        noise = rng.standard_normal(shape)
        order = rng.permuted(np.tile(np.arange(self.group), (shape[0], 1)), axis=1)
        kept = np.sort(order[:, : self.group - round(self.dropped * self.group)], axis=1)
        return noise / np.linalg.norm(noise, axis=1, keepdims=True), kept

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the rotated groups, one after the other, shape (n, groups x kept), float32."""
        noise, kept = self.draw_noise(features.shape[1], rng)
        groups = features.astype(np.float64).reshape(len(features), self.group, -1).swapaxes(1, 2)
        groups = groups / np.maximum(np.linalg.norm(groups, axis=2, keepdims=True), 1e-12)
        cosines = np.clip((groups * noise).sum(2, keepdims=True), -1 + EDGE, 1 - EDGE)
        angles = np.arccos(cosines)
        rotated = (np.sin((1 - self.alpha) * angles) * groups + np.sin(self.alpha * angles) * noise) / np.sin(angles)
        left = np.take_along_axis(rotated, np.broadcast_to(kept, (len(features), *kept.shape)), 2)
        left = left / np.maximum(np.linalg.norm(left, axis=2, keepdims=True), 1e-12)
        return np.asarray(left.reshape(len(features), -1), np.float32)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return the rotated groups under the users' keys, shape (n, groups x kept); differentiable."""
        import torch

        drawn = [self.draw_noise(features.shape[1], np.random.default_rng(int(key))) for key in keys]
        noise, kept = (torch.from_numpy(np.stack(part)).to(features.device) for part in zip(*drawn, strict=True))
        groups = features.double().reshape(len(features), self.group, -1).transpose(1, 2)
        groups = torch.nn.functional.normalize(groups, dim=2)
        angles = torch.arccos((groups * noise).sum(2, keepdim=True).clamp(-1 + EDGE, 1 - EDGE))
        rotated = torch.sin((1 - self.alpha) * angles) * groups + torch.sin(self.alpha * angles) * noise
        left = torch.nn.functional.normalize((rotated / torch.sin(angles)).gather(2, kept), dim=2)
        return left.flatten(1).to(features)
