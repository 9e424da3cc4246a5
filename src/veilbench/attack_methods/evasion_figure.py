"""The figure of an evasion attack: the success of each search against the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from veilbench.bench.findings import Curve, Figure
from veilbench.metrics.intervals import ends, proportion

CURVES = {
    "gradient": "gradient",
    "surrogate": "surrogate",
    "search": "search",
    "straight_path": "straight path",
}


def draw_success(
    title: str, label: str, x_label: str, budgets: Sequence[float], success: Mapping[str, np.ndarray]
) -> Figure:
    """Draw the share of rows that each search moves at each budget, and the share that noise moves.

    Args:
        title: title of the attack.
        label: what happens to a moved row, such as "hidden".
        x_label: label of the budgets' axis, with their norm and unit.
        budgets: the budgets, in ascending order.
        success: success of each search of `CURVES`, shape (budgets, rows), bool; and under "noise" each row's chance.
    """
    curves = [
        Curve(f"{label}, {words}", budgets, *ends([proportion(int(row.sum()), len(row)) for row in success[key]]))
        for key, words in CURVES.items()
        if key in success
    ]
    noise = Curve(f"{label}, noise", budgets, list(success["noise"].mean(1)))
    axes = (f"{title}: {label}", x_label, "share of rows")
    return Figure(*axes, [*curves, noise], log_x=True, control_curves=[noise.name])
