"""Malicious clients that stay within the spread of the honest updates."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

from veilbench.bench.limits import NotNegative
from veilbench.families.mail.attacks.poison.rogues.base import RogueView
from veilbench.families.mail.attacks.poison.rogues.stealthy import StealthyRogue


@dataclass(frozen=True)
class LittleIsEnough(StealthyRogue):
    """All clients send the mean plus z standard deviations of their own updates (Baruch et al. 2019).

    The deviation has the norm that the paper's has, but lies in the trigger's direction. The positive control is a
    federation with Krum, which small deviations pass.

    Attributes:
        z: standard deviations by which the update differs from the mean. None takes the paper's value, which follows
            from the numbers of clients; it is 0 for 2 of 10, and then `least` counts.
        least: smallest z that is used if z follows from the numbers of clients.
    """

    z: NotNegative | None = None
    least: NotNegative = 0.8
    name: ClassVar[str] = "little_is_enough"

    def find_distance(self, view: RogueView) -> float:
        """Return z."""
        return max(self.least, largest_z(view.clients, len(view.own))) if self.z is None else self.z


def largest_z(clients: int, rogues: int) -> float:
    """Return z for which enough honest clients are expected to lie further from the mean (Baruch et al. 2019).

    The malicious clients need `floor(clients / 2 + 1) - rogues` honest ones for a majority.

    Args:
        clients: number of clients in the round.
        rogues: number of malicious clients, fewer than half.
    """
    honest, needed = clients - rogues, clients // 2 + 1 - rogues
    return NormalDist().inv_cdf((honest - needed) / honest)
