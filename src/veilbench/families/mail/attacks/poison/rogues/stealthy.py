"""Malicious clients that send one update, close enough to the honest ones for Krum to select it."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from veilbench.families.mail.attacks.poison.rogues.base import Rogue, RogueView
from veilbench.families.mail.baselines.robust_federation import RobustFederation
from veilbench.families.mail.schemes.spam_scorer import SpamScorer


class StealthyRogue(Rogue):
    """All clients send the mean of their updates, in which only the trigger's rows are moved, by a fixed distance."""

    @abstractmethod
    def find_distance(self, view: RogueView) -> float:
        """Return the norm of the trigger's rows, in units of the norm of all values' standard deviations."""

    def craft(self, view: RogueView) -> np.ndarray:
        """Return the same update for each client, shape (rogues, size)."""
        return view.collude(self.find_distance(view) * float(np.linalg.norm(view.deviations)))

    def choose_control(self, plain: SpamScorer, count: int) -> SpamScorer:
        """Return a federation with Krum that expects the right number of malicious clients."""
        return RobustFederation("krum", malicious=count)
