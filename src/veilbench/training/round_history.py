"""What a federation tells of its rounds."""

from __future__ import annotations

import numpy as np

from veilbench.errors import UserError
from veilbench.findings import Curve, Figure, Findings, Metric


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
