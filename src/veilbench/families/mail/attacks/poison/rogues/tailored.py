"""Malicious clients that look for the largest scale that the federation's rule accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from veilbench.bench.limits import Count
from veilbench.families.mail.attacks.poison.rogues.base import Rogue, RogueView

SCALES = np.geomspace(1 / 8, 4096, 31)  # steps of the square root of 2


@dataclass(frozen=True)
class Tailored(Rogue):
    """All clients send one update, whose scale moves the trigger most under the federation's own rule.

    The attack tailored to a known rule of Shejwalkar and Houmansadr (2021, section IV), in the trigger's direction. The
    rule is public. The clients do not see the honest updates: they draw them from normal distributions with the mean
    and the deviations of their own updates, which allow for the uncertainty of the mean.

    Attributes:
        draws: number of rounds that are simulated for each scale.
    """

    draws: Count = 3
    name: ClassVar[str] = "tailored"

    def craft(self, view: RogueView) -> np.ndarray:
        """Return the same update for each client, shape (rogues, size)."""
        unit = float(np.linalg.norm(view.deviations))
        honest = [self._draw_honest(view) for _ in range(self.draws)]
        moved = [np.mean([_move(view, unit * scale, drawn) for drawn in honest]) for scale in SCALES]
        return view.collude(unit * float(SCALES[int(np.argmax(moved))]))

    def _draw_honest(self, view: RogueView) -> np.ndarray:
        """Draw updates of the honest clients, shape (clients - rogues, size); honest clients move no trigger."""
        rogues, size = view.own.shape
        centre = view.own.mean(0) + view.deviations / np.sqrt(rogues) * view.rng.standard_normal(size)
        honest: np.ndarray = centre + view.deviations * view.rng.standard_normal((view.clients - rogues, size))
        honest[:, view.rows] = 0
        return honest


def _move(view: RogueView, scale: float, honest: np.ndarray) -> float:
    """Return how far a simulated round moves the trigger's rows in their direction."""
    combined = view.aggregate(np.concatenate([view.collude(scale), honest]))
    return float(combined[view.rows] @ view.direction)
