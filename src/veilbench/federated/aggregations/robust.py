"""Robust aggregation rules instead of the mean. The aggregator must see all updates to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Natural, Positive
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient, parse_values
from veilbench.federated.rules import clipped_mean, geometric_median, krum, median, trimmed_mean

Rule = Literal["median", "trimmed_mean", "krum", "geometric_median", "clipped_mean"]


class RobustAggregator(PlainAggregator):
    """Applies a robust rule to updates sent in the clear.

    Args:
        rule: rule to apply, one of those of `Robust`.
        share: share of the clients that `trimmed_mean` drops at each end.
        malicious: number of malicious clients that `krum` assumes.
        largest_norm: maximum norm of an update in `clipped_mean`; None takes the median of the norms.
    """

    def __init__(self, rule: Rule, share: float, malicious: int, largest_norm: float | None) -> None:
        super().__init__(np.float32)
        self.rule, self.share, self.malicious, self.largest_norm = rule, share, malicious, largest_norm

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        updates = np.stack([parse_values(payload, self.dtype, size) for payload in payloads])
        try:
            combined = self._apply_rule(updates)
        except ValueError as error:
            raise UserError(f"aggregation.rule={self.rule}: {error}") from error
        return bytes((combined * sum(weights)).tobytes())

    def _apply_rule(self, updates: np.ndarray) -> np.ndarray:
        """Combine updates of shape (clients, size) into one of shape (size,)."""
        if self.rule == "median":
            return median(updates)
        if self.rule == "trimmed_mean":
            return trimmed_mean(updates, self.share)
        if self.rule == "geometric_median":
            return geometric_median(updates)
        if self.rule == "clipped_mean":
            return clipped_mean(updates, self.largest_norm)
        selected: np.ndarray = updates[krum(updates, self.malicious)]
        return selected


class Robust(Aggregation):
    """A rule of `federated.rules` in place of the mean; the clients' weights are ignored.

    `krum` and `trimmed_mean` assume a number of malicious clients; the other rules do not.

    Args:
        rule: rule that replaces the mean: `median`, `trimmed_mean`, `krum`, `geometric_median` or `clipped_mean`.
        share: share of the clients that `trimmed_mean` drops at each end, in [0, 0.5).
        malicious: number of malicious clients that `krum` assumes; it needs at least `malicious + 3` clients.
        largest_norm: maximum Euclidean norm of an update in `clipped_mean`; None takes the median norm of a round.
    """

    error = None

    def __init__(
        self,
        rule: Rule = "median",
        share: Annotated[float, Ge(0), Lt(0.5)] = 0.2,
        malicious: Natural = 0,
        largest_norm: Positive | None = None,
    ) -> None:
        self.rule, self.share, self.malicious, self.largest_norm = rule, share, malicious, largest_norm

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create the clients and the aggregator; there are no keys."""
        aggregator = RobustAggregator(self.rule, self.share, self.malicious, self.largest_norm)
        return [PlainClient(np.float32) for _ in range(clients)], aggregator
