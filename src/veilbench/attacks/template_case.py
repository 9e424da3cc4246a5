"""Images that are to be accepted as somebody, or not to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from veilbench.attacks.case import Case
from veilbench.attacks.pgd import Score
from veilbench.attacks.ridge import ridge
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
        scheme, wanted = self.system.scheme, self.system.templates
        if self.learned is not None:
            return self._by_stand_in(device, self.learned)
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
        learned = None if self.learned is None else self.learned[rows]
        system = self.system.chosen(rows)
        return replace(self, rows=self.rows[rows], reach=self.reach[rows], system=system, learned=learned)

    def _by_stand_in(self, device: torch.device, learned: np.ndarray) -> Score:
        scheme, target = self.system.scheme, torch.from_numpy(learned).to(device)
        assert isinstance(scheme, DifferentiableScheme)

        def likeness(rows: Tensor) -> Tensor:
            return torch.as_tensor(self.sign * torch.cosine_similarity(scheme.features_tensor(rows), target, dim=1))

        return likeness

    def stand_in(self) -> TemplateCase | None:
        """The cosine with features that explain the scores of own images, by ridge regression, for each victim.

        A user's turn keeps cosines, so that the score is linear in the features of the image presented, whatever the
        key: as many answers as there are features give away the victim's, but for noise and the coarseness of bits.
        """
        scheme = self.system.scheme
        if self.white or self.asked is None or not isinstance(scheme, DifferentiableScheme):
            return None
        features, (n, m) = scheme.features(self.asked), (len(self.system.keys), len(self.asked))
        made = scheme.protect(np.tile(features, (n, 1)), np.repeat(self.system.keys, m))
        answers = scheme.compare(made, np.repeat(self.system.templates, m, 0)).reshape(n, m).T
        cut, width = m * 4 // 5, features.shape[1]
        explained = ridge(features[:cut], answers[:cut], features[cut:], answers[cut:])[0]
        slopes = explained(np.eye(width, dtype=np.float32)) - explained(np.zeros((1, width), np.float32))
        return replace(self, learned=np.asarray(slopes.T, np.float32))

    def across(self, moved: np.ndarray) -> np.ndarray:
        """As the system decides."""
        return np.asarray(self.system.accepted(moved, self.fmr) == (self.sign < 0))
