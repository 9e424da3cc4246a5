"""Evasion tasks for recognition: images to be accepted as a victim, or no longer accepted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from veilbench.attack_methods.case import Case
from veilbench.attack_methods.pgd import Score
from veilbench.families.templates.attacks.surrogate import by_template, learned_features, likeness_to
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme


@dataclass(frozen=True)
class TemplateCase(Case):
    """One image for each victim of a system, on the wrong side of its threshold.

    Attributes:
        system: recognition system whose victims are in the order of the rows.
        fmr: false match rate at which the system operates.
        sign: 1 to lower the match score (evade recognition), -1 to raise it (be accepted).
        draws: templates that the match score is averaged over: expectation over the scheme's noise (Athalye, Engstrom,
            Ilyas and Kwok 2018).
        white: whether gradients exist and the threat model grants them.
        asked: the attacker's own images, shape (m, c, h, w), whose match scores a surrogate is fitted to; None fits
            none.
        learned: victims' features fitted to those scores, shape (n, d); None if no surrogate was fitted yet.
    """

    system: TemplateSystem
    fmr: float
    sign: int
    draws: int
    white: bool
    asked: np.ndarray | None = None
    learned: np.ndarray | None = None

    def score(self, device: torch.device) -> Score:
        """Return the signed match score: of the surrogate, by gradients, or by queries, whichever is available."""
        scheme = self.system.scheme
        if self.learned is not None:
            return self._by_surrogate(device, self.learned)
        if not self.white or not isinstance(scheme, DifferentiableScheme):
            return self._by_queries(device)
        alike = by_template(self.system, scheme, device)
        return lambda rows: self.sign * torch.stack([alike(rows) for _ in range(self.draws)]).mean(0)

    def _by_queries(self, device: torch.device) -> Score:
        """Return the system's match scores, averaged over `draws` queries."""

        def likeness(rows: Tensor) -> Tensor:
            images = rows.detach().cpu().numpy()
            answers = np.mean([self.system.scores(images) for _ in range(self.draws)], axis=0, dtype=np.float32)
            return torch.from_numpy(self.sign * answers).to(device)

        return likeness

    def of(self, rows: np.ndarray) -> Self:
        """Return the task restricted to some of the rows, selected by a mask of shape (n,)."""
        learned = None if self.learned is None else self.learned[rows]
        system = self.system.chosen(rows)
        return replace(self, rows=self.rows[rows], reach=self.reach[rows], system=system, learned=learned)

    def _by_surrogate(self, device: torch.device, learned: np.ndarray) -> Score:
        scheme = self.system.scheme
        assert isinstance(scheme, DifferentiableScheme)
        likeness = likeness_to(scheme, learned, device)
        return lambda rows: self.sign * likeness(rows)

    def surrogate(self) -> TemplateCase | None:
        """Return the same task with a surrogate score, fitted to the scores of the attacker's own images."""
        if self.white or self.asked is None or not isinstance(self.system.scheme, DifferentiableScheme):
            return None
        return replace(self, learned=learned_features(self.system, self.asked))

    def across(self, moved: np.ndarray) -> np.ndarray:
        """Return whether the system's decision is the one wanted; shape (n,), bool."""
        return np.asarray(self.system.accepted(moved, self.fmr) == (self.sign < 0))
