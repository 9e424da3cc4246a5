"""Malicious clients that agree on one update near the centre of the honest ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from veilbench.bench.limits import Positive
from veilbench.families.mail.attacks.poison.rogues.base import RogueView
from veilbench.families.mail.attacks.poison.rogues.small_update import craft_small
from veilbench.families.mail.attacks.poison.rogues.stealthy import StealthyRogue


@dataclass(frozen=True)
class Colluding(StealthyRogue):
    """All clients send the mean of their own updates, in which only the trigger's rows are moved.

    Equal updates have a distance of 0 from each other, and a mean is closer to the honest updates than these are to one
    another. Krum therefore selects it (Fang et al. 2020 send equal updates for the same reason). The
    positive control is a federation with Krum.

    Attributes:
        scale: norm of the trigger's rows, in units of the norm of all values' standard deviations; 1 is about where
            Krum begins to reject it.
    """

    scale: Positive = 0.85
    name: ClassVar[str] = "colluding"

    def craft(self, view: RogueView) -> np.ndarray:
        """Return the same update for each client, shape (rogues, size)."""
        small = craft_small(view)
        return super().craft(view) if small is None else small

    def find_distance(self, view: RogueView) -> float:
        """Return the fixed distance of the settings."""
        return self.scale
