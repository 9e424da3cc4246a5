"""Robust aggregation rules instead of the mean. The aggregator must see all updates to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Natural
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient, parse_values
from veilbench.federated.rules import krum, median, trimmed_mean

Rule = Literal["median", "trimmed_mean", "krum"]


class RobustAggregator(PlainAggregator):
    """Applies a robust rule to updates sent in the clear.

    Args:
        rule: rule to apply: `median`, `trimmed_mean` or `krum`.
        share: share of the clients that `trimmed_mean` drops at each end.
        malicious: number of malicious clients that `krum` assumes.
    """

    def __init__(self, rule: Rule, share: float, malicious: int) -> None:
        super().__init__(np.float32)
        self.rule, self.share, self.malicious = rule, share, malicious

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
        selected: np.ndarray = updates[krum(updates, self.malicious)]
        return selected


class Robust(Aggregation):
    """Median, trimmed mean or Krum, as defined in `federated.rules`; the clients' weights are ignored.

    Args:
        rule: rule that replaces the mean: `median`, `trimmed_mean` or `krum`.
        share: share of the clients that `trimmed_mean` drops at each end, in [0, 0.5).
        malicious: number of malicious clients that `krum` assumes; it needs at least `malicious + 3` clients.
    """

    error = None

    def __init__(
        self,
        rule: Rule = "median",
        share: Annotated[float, Ge(0), Lt(0.5)] = 0.2,
        malicious: Natural = 0,
    ) -> None:
        self.rule, self.share, self.malicious = rule, share, malicious

    def setup(self, clients: int, seeds: np.random.SeedSequence) -> tuple[list[Client], Aggregator]:
        """Create the clients and the aggregator; there are no keys."""
        aggregator = RobustAggregator(self.rule, self.share, self.malicious)
        return [PlainClient(np.float32) for _ in range(clients)], aggregator
