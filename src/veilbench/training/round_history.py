"""Learning curves and privacy metrics of a federated training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.federated.aggregations.base import Aggregation


def record(findings: Findings, history: list[dict[str, float]]) -> None:
    """Add learning curves over the rounds, and their last values as metrics.

    Args:
        findings: findings to add to, in place.
        history: one dict of values per round; all have the same keys.

    Raises:
        UserError: a value is not finite.
    """
    rounds = list(range(1, len(history) + 1))
    for name in history[0]:
        values = [entry[name] for entry in history]
        if not np.isfinite(values).all():
            raise UserError(f"training diverged: {name} is not finite after {len(rounds)} rounds")
        findings.metrics[name.replace(" ", "_")] = Metric.exact(values[-1])
        findings.figures.append(Figure(f"Training: {name}", "rounds", name, [Curve(name, rounds, values)]))
    findings.metrics["rounds"] = Metric.exact(len(rounds))


def record_privacy(
    findings: Findings, aggregation: Aggregation, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]
) -> None:
    """Add the epsilons of client-level and example-level differential privacy, where the aggregation has them.

    Args:
        findings: findings to add to, in place.
        aggregation: aggregation of the federation, which computes the epsilons.
        rounds: number of rounds of the training.
        local_epochs: epochs that each client trained per round.
        batch_size: examples per optimizer step of a client.
        sizes: number of examples that each client declares, which is public.
    """
    example = aggregation.example_releases(rounds, local_epochs, batch_size, sizes)
    spent = {"epsilon": (aggregation.client_releases(rounds), len(sizes)), "example_epsilon": (example, sum(sizes))}
    for name, (releases, units) in spent.items():  # units: clients or examples, one of which is protected
        if releases is None:
            continue
        value, composed = releases.epsilon(aggregation.delta), releases.epsilon_prv(aggregation.delta)
        if not np.isfinite(value):
            findings.notes.append(f"{name} is infinite: there is no noise, and no privacy.")
            continue
        findings.metrics[name] = Metric.exact(value)
        if composed is not None:
            findings.metrics[f"{name}_prv"] = Metric.exact(composed)
        if aggregation.delta * units >= 1:  # such a delta allows publishing one record unchanged (Dwork and Roth 2014)
            allowed = f"it allows publishing the data of one of the {units} that {name} protects"
            findings.notes.append(f"delta={aggregation.delta:g} is not below 1/{units}: {allowed}.")
    if aggregation.example_noise():
        declared = "the numbers of examples that the clients declare, which are public"
        findings.notes.append(f"Sampling rates and divisors follow from {declared}.")
    if example is not None:
        findings.notes.append(f"Epsilon by Opacus' Renyi accountant: {rounds} rounds, delta {aggregation.delta:g}.")
