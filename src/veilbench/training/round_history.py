"""What a federation tells of its rounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.federated.aggregations.base import Aggregation


def record(found: Findings, history: list[dict[str, float]]) -> None:
    """Add curves over the rounds, and where they end.

    Args:
        found: what is added to.
        history: per round, its numbers.

    Raises:
        UserError: one is not finite.
    """
    rounds = list(range(1, len(history) + 1))
    for name in history[0]:
        values = [at[name] for at in history]
        if not np.isfinite(values).all():
            raise UserError(f"training diverged: {name} is not finite after {len(rounds)} rounds")
        found.metrics[name.replace(" ", "_")] = Metric.exact(values[-1])
        found.figures.append(Figure(f"Training: {name}", "rounds", name, [Curve(name, rounds, values)]))
    found.metrics["rounds"] = Metric.exact(len(rounds))


def record_privacy(
    found: Findings, aggregation: Aggregation, rounds: int, local_epochs: int, batch_size: int, sizes: Sequence[int]
) -> None:
    """Add the accountant's epsilons, where there are any: of a client, and of an example.

    Args:
        found: what is added to.
        aggregation: of the federation.
        rounds: that gave a mean.
        local_epochs: of a client in a round.
        batch_size: of a client's steps.
        sizes: per client, its examples.
    """
    example = aggregation.example_epsilon(rounds, local_epochs, batch_size, sizes)
    both = {"epsilon": (aggregation.epsilon(rounds), len(sizes)), "example_epsilon": (example, sum(sizes))}
    for name, (value, hidden) in both.items():
        if value is None:
            continue
        if not np.isfinite(value):
            found.notes.append(f"{name} is infinite: there is no noise, and no privacy.")
            continue
        found.metrics[name] = Metric.exact(value)
        if aggregation.delta * hidden >= 1:  # it allows to publish one of them as it is (Dwork and Roth 2014)
            allowed = f"it promises nothing to one of the {hidden} that {name} is of"
            found.notes.append(f"delta={aggregation.delta:g} is not below 1/{hidden}: {allowed}.")
    if example is not None:
        found.notes.append(f"Epsilon by Opacus' Renyi accountant: {rounds} rounds, delta {aggregation.delta:g}.")
