"""Secure aggregation beside CKKS and no protection: one round of three clients with the source's number of weights.

python benchmarks/secagg.py
"""

from __future__ import annotations

import time

import numpy as np

from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.secagg import Secagg

SIZE, ROUNDS = 50_636, 5
WEIGHTS = [1_000 / 44_000, 1_000 / 44_000, 42_000 / 44_000]


def main() -> None:
    for aggregation in (Plain(), Secagg(), Ckks()):
        measure(aggregation)


def measure(aggregation: Aggregation) -> None:
    updates = np.random.default_rng(0).normal(0, 0.01, (len(WEIGHTS), SIZE))
    clients, aggregator = aggregation.setup(len(WEIGHTS), np.random.SeedSequence(0))
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        aggregator.begin(range(len(WEIGHTS)))
        messages = [client.protect(u, w) for client, u, w in zip(clients, updates, WEIGHTS, strict=True)]
        mean = clients[0].open(aggregator.combine(messages))
        seconds.append(time.process_time() - started)
    error = np.abs(mean - np.average(updates, axis=0, weights=WEIGHTS)).max()
    up = len(messages[0]) + aggregator.costs().get("letters_bytes_up", 0)
    print(
        f"{type(aggregation).__name__}: {min(seconds):.3f} to {max(seconds):.3f} CPU s a round, {up / 1e6:.2f} MB up a "
        f"client, error {error:.1e}; {aggregator.costs()}"
    )


if __name__ == "__main__":
    main()
