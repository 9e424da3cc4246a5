"""What malicious clients know in a round, and the interface of their behaviours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from veilbench.families.mail.schemes.spam_scorer import SpamScorer


@dataclass(frozen=True)
class LastRound:
    """What the malicious clients know of the round before.

    Attributes:
        sent: update that the first of them sent, shape (size,).
        moved: how far the shared weights moved, shape (size,).
    """

    sent: np.ndarray
    moved: np.ndarray


@dataclass(frozen=True)
class RogueView:
    """What the malicious clients know when they craft the updates of a round. They see no honest client's update.

    Attributes:
        own: updates that the malicious clients would send if they were honest, shape (rogues, size).
        taught: rows of the trigger in updates of training on spam with the trigger, shape (rogues, trigger's size).
        rows: indices of the trigger's rows in an update, shape (trigger's size,).
        clients: number of clients in the round.
        aggregate: the federation's public rule, which maps updates of shape (clients, size) to one of shape (size,).
        rng: source of the malicious clients' randomness.
        last: the round before; None in the first one.
    """

    own: np.ndarray
    taught: np.ndarray
    rows: np.ndarray
    clients: int
    aggregate: Callable[[np.ndarray], np.ndarray]
    rng: np.random.Generator
    last: LastRound | None = None

    @property
    def direction(self) -> np.ndarray:
        """Unit vector in which the trigger's rows move, shape (trigger's size,); zeros if the training moved none."""
        mean: np.ndarray = self.taught.mean(0)
        return mean / (np.linalg.norm(mean) or 1.0)

    @property
    def deviations(self) -> np.ndarray:
        """Standard deviation of each value over clients, shape (size,); one client takes its values' magnitudes."""
        return np.asarray(self.own.std(0, ddof=1) if len(self.own) > 1 else np.abs(self.own[0]))

    def collude(self, scale: float) -> np.ndarray:
        """Return one update for all malicious clients, shape (rogues, size).

        It is the mean of their own updates with the trigger's rows replaced.

        Args:
            scale: Euclidean norm of the trigger's rows in the update.
        """
        update = self.own.mean(0)
        update[self.rows] = scale * self.direction
        return np.tile(update, (len(self.own), 1))


class Rogue(ABC):
    """A behaviour of malicious clients: one path of the attack.

    Attributes:
        name: name of the path in findings and on the page.
    """

    name: ClassVar[str]

    @abstractmethod
    def craft(self, view: RogueView) -> np.ndarray:
        """Return the updates that the malicious clients send, shape (rogues, size)."""

    def choose_control(self, plain: SpamScorer, count: int) -> SpamScorer:
        """Return a federation that this behaviour must break.

        Args:
            plain: the attack's positive control, a federation with an unprotected mean.
            count: number of malicious clients in a round.
        """
        return plain
