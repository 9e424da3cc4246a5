"""Measure how secure aggregation scales with the number of clients, as ratios of CPU seconds.

    python benchmarks/secagg_scale.py [--clients 40 200 1000] [--weights 1000] [--active]

For each number of clients, one round of all parties in one process: keys, shares, masked updates, signatures on the
survivors, unmasking. The ratio is to the round of the first number of clients; the last column is CPU milliseconds per
client and neighbour. Without `--active`, the aggregator is semi-honest. `--neighbours all` compares with all other
clients as neighbours.
"""

from __future__ import annotations

import argparse
import time
from typing import Literal

import numpy as np

from veilbench.federated.aggregations.secagg import Secagg


def measure_round(aggregation: Secagg, clients: int, size: int) -> float:
    """Return the CPU seconds of a round, after checking its mean.

    Args:
        aggregation: secure aggregation with its settings.
        clients: number of clients, which all take part.
        size: number of weights in an update.
    """
    parties, aggregator = aggregation.setup(clients, np.random.SeedSequence(0))
    updates = np.random.default_rng(0).normal(0, 0.01, (clients, size))
    started = time.process_time()
    aggregator.begin(range(clients))
    messages = [party.protect(update, 1 / clients) for party, update in zip(parties, updates, strict=True)]
    mean = parties[0].open(aggregator.combine(messages))
    taken = time.process_time() - started
    error = float(np.abs(mean - updates.mean(0)).max())
    bound = aggregation.noise([1 / clients] * clients)[1]
    assert error <= bound, f"the mean is wrong by {error:g}, and at most {bound:g} is from rounding"
    return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, nargs="+", default=[40, 200, 1_000])
    parser.add_argument("--weights", type=int, default=1_000)
    parser.add_argument("--active", action="store_true")
    parser.add_argument("--neighbours", choices=["all"])
    given = parser.parse_args()
    adversary: Literal["active", "semi_honest"] = "active" if given.active else "semi_honest"
    aggregation = Secagg(adversary=adversary, neighbours=given.neighbours)
    measure_round(aggregation, 3, 10)  # imports
    first = None
    for clients in given.clients:
        taken = measure_round(aggregation, clients, given.weights)
        first = first or taken
        neighbours = aggregation.policy.choose_neighbours(clients) or clients - 1
        each = 1_000 * taken / clients / neighbours
        told = f"{clients} clients, {neighbours} neighbours: {taken:.2f} CPU s, {taken / first:.3g} times the first"
        print(f"{told}, {each:.2f} ms per client and neighbour", flush=True)


if __name__ == "__main__":
    main()
