"""Robust rules in the place of the mean: the aggregator must see every update to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Natural
from veilbench.federated.aggregations.base import Aggregation, Aggregator, Client
from veilbench.federated.aggregations.plain import PlainAggregator, PlainClient, numbers
from veilbench.federated.rules import krum, median, trimmed_mean

Rule = Literal["median", "trimmed_mean", "krum"]


class RobustAggregator(PlainAggregator):
    """Applies a rule to updates that it can read.

    Args:
        rule: see `Robust`.
        share: see `Robust`.
        malicious: see `Robust`.
    """

    def __init__(self, rule: Rule, share: float, malicious: int) -> None:
        super().__init__(np.float32)
        self.rule, self.share, self.malicious = rule, share, malicious

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        updates = np.stack([numbers(payload, self.dtype, size) for payload in payloads])
        try:
            made = self._ruled(updates)
        except ValueError as error:
            raise UserError(f"aggregation.rule={self.rule}: {error}") from error
        return bytes((made * sum(weights)).tobytes())

    def _ruled(self, updates: np.ndarray) -> np.ndarray:
        if self.rule == "median":
            return median(updates)
        if self.rule == "trimmed_mean":
            return trimmed_mean(updates, self.share)
        chosen: np.ndarray = updates[krum(updates, self.malicious)]
        return chosen


class Robust(Aggregation):
    """Median, trimmed mean or Krum, see `federated.rules`; every client counts as much as any other.

    Args:
        rule: which one.
        share: of the clients that `trimmed_mean` cuts off at each end.
        malicious: clients that `krum` expects to be poisoned.
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
        """See `Aggregation.setup`; there are no keys."""
        aggregator = RobustAggregator(self.rule, self.share, self.malicious)
        return [PlainClient(np.float32) for _ in range(clients)], aggregator
