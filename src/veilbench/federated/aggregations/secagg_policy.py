"""Which neighbourhoods and thresholds a round of secure aggregation uses, and which trust they leave."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from veilbench.federated.aggregations.secagg_bound import Assumptions

Neighbours = int | Literal["all"] | None
TRUST = {
    "semi_honest": "an aggregator that follows the protocol; one that deviates from it may read updates",
    "active": "an aggregator that may deviate from the protocol once it has handed out the clients' own keys",
}


@dataclass(frozen=True)
class SharingPolicy:
    """Neighbourhoods and thresholds by the number of clients in a round.

    Attributes:
        threshold: share of a neighbourhood that reveals a secret, in (0.5, 1]; None takes it from `assumed`.
        neighbours: number of neighbours of a client, even; `all` for all others; None takes it from `assumed`.
        consistency: whether the clients compare the lists of survivors before they reveal shares.
        assumed: what the aggregation must withstand.
    """

    threshold: float | None
    neighbours: Neighbours
    consistency: bool
    assumed: Assumptions

    def choose_neighbours(self, clients: int) -> int | None:
        """Return the number of neighbours of a client in a round; None for all the others."""
        if self.neighbours == "all":
            return None
        return self.assumed.choose_neighbours(clients) if self.neighbours is None else self.neighbours

    def choose_threshold(self, size: int) -> int:
        """Return the number of shares that reveal a secret.

        Args:
            size: number of clients in the neighbourhood, including the client itself.
        """
        if self.threshold is None:
            return self.assumed.choose_threshold(size)
        return max(2, math.ceil(self.threshold * size))

    def describe_trust(self, clients: int) -> str:
        """Describe what the clients must trust, and which bounds these settings miss.

        Args:
            clients: number of clients in the round.
        """
        neighbours = self.choose_neighbours(clients)
        size = clients if neighbours is None else min(neighbours + 1, clients)
        threshold, assumed = self.choose_threshold(size), self.assumed
        corrupt, dropped = assumed.count_corrupt(clients), assumed.count_dropped(clients)
        told = f"The clients trust in {TRUST[assumed.adversary]}, with at most {corrupt} of {clients} clients colluding"
        return f"{told}: {threshold} of {size} shares reveal a secret." + "".join(
            f" {missed}" for missed in self._find_missed(clients, size, threshold, dropped)
        )

    def _find_missed(self, clients: int, size: int, threshold: int, dropped: int) -> list[str]:
        missed, assumed = list[str](), self.assumed
        if assumed.adversary == "active" and not self.consistency:
            missed.append("Without the consistency round this does not hold: trust is left in the aggregator.")
        elif (leak := assumed.bound_leak(clients, size, threshold)) > 2.0**-assumed.security:
            missed.append(f"Below the published bound: a leak has a probability of up to {min(leak, 1):.2g}.")
        if (failure := assumed.bound_failure(clients, size, threshold)) > 2.0**-assumed.correctness:
            missed.append(
                f"If {dropped} clients drop out, a round fails with a probability of up to {min(failure, 1):.2g}."
            )
        return missed
