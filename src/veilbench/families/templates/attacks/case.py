"""Images that are to be accepted as somebody, or not to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from veilbench.attack_methods.case import Case
from veilbench.attack_methods.pgd import Score
from veilbench.families.templates.attacks.stand_in import by_template, learned_features, likeness_to
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme


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
        asked: the attacker's own images, whose scores he asks for to learn a stand-in from; None asks for none.
        learned: victims' features, learned from those scores, shape (n, d); None before.
    """

    system: TemplateSystem
    fmr: float
    sign: int
    draws: int
    white: bool
    asked: np.ndarray | None = None
    learned: np.ndarray | None = None

    def score(self, device: torch.device) -> Score:
        """See `Case.score`."""
        scheme = self.system.scheme
        if self.learned is not None:
            return self._by_stand_in(device, self.learned)
        if not self.white or not isinstance(scheme, DifferentiableScheme):
            return self._by_queries(device)
        alike = by_template(self.system, scheme, device)
        return lambda rows: self.sign * torch.stack([alike(rows) for _ in range(self.draws)]).mean(0)

    def _by_queries(self, device: torch.device) -> Score:
        """What the system answers, averaged over as many queries."""

        def likeness(rows: Tensor) -> Tensor:
            images = rows.detach().cpu().numpy()
            answers = np.mean([self.system.scores(images) for _ in range(self.draws)], axis=0, dtype=np.float32)
            return torch.from_numpy(self.sign * answers).to(device)

        return likeness

    def of(self, rows: np.ndarray) -> Self:
        """See `Case.of`."""
        learned = None if self.learned is None else self.learned[rows]
        system = self.system.chosen(rows)
        return replace(self, rows=self.rows[rows], reach=self.reach[rows], system=system, learned=learned)

    def _by_stand_in(self, device: torch.device, learned: np.ndarray) -> Score:
        scheme = self.system.scheme
        assert isinstance(scheme, DifferentiableScheme)
        likeness = likeness_to(scheme, learned, device)
        return lambda rows: self.sign * likeness(rows)

    def stand_in(self) -> TemplateCase | None:
        """See `Case.stand_in`: of features that explain the scores of own images."""
        if self.white or self.asked is None or not isinstance(self.system.scheme, DifferentiableScheme):
            return None
        return replace(self, learned=learned_features(self.system, self.asked))

    def across(self, moved: np.ndarray) -> np.ndarray:
        """As the system decides."""
        return np.asarray(self.system.accepted(moved, self.fmr) == (self.sign < 0))
