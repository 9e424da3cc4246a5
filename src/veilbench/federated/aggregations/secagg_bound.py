"""How many neighbours and shares secure aggregation needs (Bonawitz et al. 2017, Bell et al. 2020).

Corrupt clients and clients that drop out are a random sample of the clients, because the ring of neighbours is redrawn
in every round. The number of them among a client's neighbours is hypergeometric. All bounds add up these probabilities
over the clients (union bound), and the tails are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

Adversary = Literal["semi_honest", "active"]
ROUNDING = 1e-9  # 0.05 * 1000 may come out above 50, and must not count as 51


@dataclass(frozen=True)
class Assumptions:
    """What secure aggregation must withstand.

    Attributes:
        adversary: aggregator that the corrupt clients collude with: `semi_honest` follows the protocol; `active`
            deviates from it once it has handed out the clients' keys.
        corrupt: share of the clients that collude with the aggregator, in [0, 1); rounded up to whole clients.
        dropped: share of the clients that drop out of a round, in [0, 1); rounded up to whole clients.
        security: a round leaks with a probability of at most 2**-security.
        correctness: a round fails, because too few clients are left, with a probability of at most 2**-correctness.
    """

    adversary: Adversary = "semi_honest"
    corrupt: float = 0.05
    dropped: float = 0.05
    security: float = 40.0
    correctness: float = 30.0

    def count_corrupt(self, clients: int) -> int:
        """Return the number of corrupt clients among all clients of a round."""
        return math.ceil(self.corrupt * clients - ROUNDING)

    def count_dropped(self, clients: int) -> int:
        """Return the number of clients that drop out of a round."""
        return math.ceil(self.dropped * clients - ROUNDING)

    def choose_threshold(self, size: int) -> int:
        """Return the least number of shares that reveal a secret (Bonawitz et al. 2017).

        Args:
            size: number of clients in a neighbourhood, including the client itself.

        Returns:
            More than half of the neighbourhood, or more than two thirds under an active aggregator; at least 2.
        """
        return max(2, (2 * size // 3 if self.adversary == "active" else size // 2) + 1)

    def choose_neighbours(self, clients: int) -> int | None:
        """Return the smallest even number of neighbours that meets both bounds; None if only all others do, or none.

        Args:
            clients: number of clients in the round.
        """
        return _search_neighbours(self, clients)

    def bound_leak(self, clients: int, size: int, threshold: int) -> float:
        """Bound the probability that a round reveals more than the sum over all surviving honest clients.

        Args:
            clients: number of clients in the round.
            size: number of clients in a neighbourhood, including the client itself.
            threshold: number of shares that reveal a secret.

        Returns:
            The sum of the probabilities that an honest client has too many corrupt neighbours, and that the ring falls
            apart (Bell et al. 2020, definition of a good graph). It may exceed 1.
        """
        corrupt = self.count_corrupt(clients)
        allowed = self._count_allowed(size, threshold, size >= clients)
        near = (clients - corrupt) * compute_tail(allowed + 1, clients - 1, corrupt, size - 1)
        return near + bound_gaps(clients, corrupt + self.count_dropped(clients), size)

    def bound_failure(self, clients: int, size: int, threshold: int) -> float:
        """Bound the probability that a secret cannot be reconstructed because too many of its neighbours dropped out.

        The secret of a client that dropped out itself counts, too. For the arguments see `bound_leak`.
        """
        dropped, most = self.count_dropped(clients), size - threshold
        there = (clients - dropped) * compute_tail(most + 1, clients - 1, dropped, size - 1)
        return there + dropped * compute_tail(most, clients - 1, dropped - 1, size - 1)

    def _count_allowed(self, size: int, threshold: int, complete: bool) -> int:
        """Return the largest number of corrupt neighbours that a client may have; -1 if not even none is safe.

        - Semi-honest aggregator: fewer than the threshold.
        - Active aggregator, all clients are neighbours: two lists of survivors never both find enough signatures, and a
          sum has at least two honest terms (Bonawitz et al. 2017).
        - Active aggregator, ring: in addition, no honest clients on one side of a gap hold enough shares. Next to a gap
          they are at most half of the neighbourhood and the client itself.
        """
        if self.adversary == "semi_honest":
            return threshold - 1
        if complete:
            return min(2 * threshold - size - 1, threshold - 2)
        return math.ceil(threshold - (size + 1) / 2) - 1


def compute_tail(least: int, clients: int, marked: int, drawn: int) -> float:
    """Compute the probability that at least `least` of `drawn` clients are marked, drawn without replacement.

    Args:
        least: number of marked clients from which the event counts.
        clients: number of clients to draw from.
        marked: number of marked clients among them.
        drawn: number of clients that are drawn.
    """
    from scipy.stats import hypergeom

    if marked < 0 or least > min(marked, drawn):
        return 0.0
    return float(hypergeom.sf(least - 1, clients, min(marked, clients), drawn))


def bound_gaps(clients: int, missing: int, size: int) -> float:
    """Bound the probability that the ring of honest surviving clients falls apart.

    It does so only if half of a neighbourhood in a row are missing, at two places; one place is bounded.

    Args:
        clients: number of clients in the ring.
        missing: number of clients that are corrupt or drop out.
        size: number of clients in a neighbourhood, including the client itself.
    """
    half = (size - 1) // 2
    return 0.0 if size >= clients else clients * compute_tail(half, clients, missing, half)


@cache
def _search_neighbours(assumed: Assumptions, clients: int) -> int | None:
    for neighbours in range(2, clients - 1, 2):
        size, threshold = neighbours + 1, assumed.choose_threshold(neighbours + 1)
        if (
            assumed.bound_leak(clients, size, threshold) <= 2.0**-assumed.security
            and assumed.bound_failure(clients, size, threshold) <= 2.0**-assumed.correctness
        ):
            return neighbours
    return None
