"""Malicious clients that agree on one update near the centre of the honest ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from veilbench.bench.limits import Positive
from veilbench.families.mail.attacks.poison.rogues.base import Rogue, RogueView
from veilbench.families.mail.baselines.robust_federation import RobustFederation
from veilbench.families.mail.schemes.spam_scorer import SpamScorer


@dataclass(frozen=True)
class Colluding(Rogue):
    """All clients send the mean of their own updates, in which only the trigger's rows are moved.

    Equal updates have a distance of 0 from each other, and a mean is closer to the honest updates than these are to one
    another. Krum therefore selects it (Fang et al. 2020, section 4.3, send equal updates for the same reason). The
    positive control is a federation with Krum.

    Attributes:
        scale: norm of the trigger's rows, in units of the norm of all values' standard deviations; 1 is about where
            Krum begins to reject it.
    """

    scale: Positive = 0.85
    name: ClassVar[str] = "colluding"

    def craft(self, view: RogueView) -> np.ndarray:
        """Return the same update for each client, shape (rogues, size)."""
        return view.collude(self.scale * float(np.linalg.norm(view.deviations)))

    def choose_control(self, plain: SpamScorer, count: int) -> SpamScorer:
        """Return a federation with Krum, which expects as many malicious clients as there are."""
        return RobustFederation("krum", malicious=count)
