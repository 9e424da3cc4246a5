"""Malicious clients that enlarge what they want the filter to learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from veilbench.bench.limits import Positive
from veilbench.families.mail.attacks.poison.rogues.base import Rogue, RogueView


@dataclass(frozen=True)
class Boosted(Rogue):
    """Each client enlarges its own trigger rows: model replacement (Bagdasaryan et al. 2020).

    All other rows of the update are honest. The factor outweighs the zeros of the other clients in a mean.

    Attributes:
        factor: factor by which the trained rows of the trigger are multiplied.
    """

    factor: Positive = 2500.0
    name: ClassVar[str] = "boosted"

    def craft(self, view: RogueView) -> np.ndarray:
        """Return the clients' own updates with enlarged rows of the trigger, shape (rogues, size)."""
        updates = view.own.copy()
        updates[:, view.rows] = self.factor * view.taught
        return updates
