"""Images that are to be accepted as somebody, or not to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from veilbench.attacks.case import Case
from veilbench.attacks.pgd import Score
from veilbench.attacks.template_system import TemplateSystem
from veilbench.templates.differentiable import DifferentiableScheme


@dataclass(frozen=True)
class TemplateCase(Case):
    """One image for each victim of a system, on the wrong side of its threshold.

    Attributes:
        system: whose victims are in the order of the rows.
        fmr: false match rate that it works at.
        sign: 1 where likeness is to be lowered (not to be recognised), -1 where it is to be raised (to be accepted).
        draws: templates that the likeness is averaged over: expectation over the scheme's noise (Athalye, Engstrom,
            Ilyas and Kwok 2018).
        white: whether gradients are there and allowed.
    """

    system: TemplateSystem
    fmr: float
    sign: int
    draws: int
    white: bool

    def score(self, device: torch.device) -> Score:
        """See `Case.score`."""
        scheme, wanted = self.system.scheme, self.system.templates
        if not self.white or not isinstance(scheme, DifferentiableScheme):
            return self._by_queries(device)
        differentiable, target = scheme, torch.from_numpy(np.asarray(wanted, np.float32)).to(device)

        def likeness(rows: Tensor) -> Tensor:
            features, keys = differentiable.features_tensor(rows), self.system.keys
            drawn = [
                differentiable.similarity_tensor(differentiable.protect_tensor(features, keys), target)
                for _ in range(self.draws)
            ]
            return self.sign * torch.stack(drawn).mean(0)

        return likeness

    def _by_queries(self, device: torch.device) -> Score:
        """What the system answers, averaged over as many queries."""

        def likeness(rows: Tensor) -> Tensor:
            images = rows.detach().cpu().numpy()
            answers = np.mean([self.system.scores(images) for _ in range(self.draws)], axis=0, dtype=np.float32)
            return torch.from_numpy(self.sign * answers).to(device)

        return likeness

    def of(self, rows: np.ndarray) -> Self:
        """See `Case.of`."""
        return replace(self, rows=self.rows[rows], reach=self.reach[rows], system=self.system.chosen(rows))

    def across(self, moved: np.ndarray) -> np.ndarray:
        """As the system decides."""
        return np.asarray(self.system.accepted(moved, self.fmr) == (self.sign < 0))
