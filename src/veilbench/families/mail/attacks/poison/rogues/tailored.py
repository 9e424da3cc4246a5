"""Malicious clients that look for the largest scale that the federation's rule accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from veilbench.bench.limits import Count
from veilbench.families.mail.attacks.poison.rogues.base import Rogue, RogueView
from veilbench.families.mail.attacks.poison.rogues.small_update import craft_small

SCALES = 2.0 ** np.arange(-3, 13)  # norms of the trigger's rows that are tried first, in units of the deviations' norm
NEAR = 2.0 ** np.linspace(-1, 1, 9)  # factors by which the best of them is refined


@dataclass(frozen=True)
class Tailored(Rogue):
    """All clients send one update, whose scale moves the trigger most under the federation's own rule.

    The attack tailored to a known rule of Shejwalkar and Houmansadr (2021), in the trigger's direction. The
    rule is public. The clients do not see the honest updates: they draw them from normal distributions with the mean
    and the deviations of their own updates, which allow for the uncertainty of the mean. Where this misjudges a rule
    that selects one update, they send a smaller one, see `small_update.py`.

    Attributes:
        draws: number of rounds that are simulated for each scale.
    """

    draws: Count = 3
    name: ClassVar[str] = "tailored"

    def craft(self, view: RogueView) -> np.ndarray:
        """Return the same update for each client, shape (rogues, size)."""
        if (small := craft_small(view)) is not None:
            return small
        unit = float(np.linalg.norm(view.deviations))
        honest = [self._draw_honest(view) for _ in range(self.draws)]
        best = _choose(view, unit * SCALES, honest)
        return view.collude(_choose(view, best * NEAR, honest))

    def _draw_honest(self, view: RogueView) -> np.ndarray:
        """Draw updates of the honest clients, shape (clients - rogues, size).

        Where nothing moved in the clients' own updates, as in rows of words that no mail has, nothing moves here.
        """
        rogues, size = view.own.shape
        centre = view.own.mean(0) + view.deviations / np.sqrt(rogues) * view.rng.standard_normal(size)
        honest: np.ndarray = centre + view.deviations * view.rng.standard_normal((view.clients - rogues, size))
        return honest


def _choose(view: RogueView, scales: np.ndarray, rounds: Sequence[np.ndarray]) -> float:
    """Return the scale that moves the trigger most, on average over simulated rounds."""
    moved = [np.mean([_move(view, float(scale), honest) for honest in rounds]) for scale in scales]
    return float(scales[int(np.argmax(moved))])


def _move(view: RogueView, scale: float, honest: np.ndarray) -> float:
    """Return how far a simulated round moves the trigger's rows in their direction."""
    combined = view.aggregate(np.concatenate([view.collude(scale), honest]))
    return float(combined[view.rows] @ view.direction)
