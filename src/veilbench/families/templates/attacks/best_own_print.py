"""Impersonation that starts from the best of all the attacker's own images: what the attacker achieves in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.findings import Findings, Metric, Table
from veilbench.families.templates.attacks.own_prints import score_own_features
from veilbench.families.templates.attacks.starts import move_any
from veilbench.metrics.intervals import proportion

if TYPE_CHECKING:
    import torch

    from veilbench.attack_methods.evasion_task import Search
    from veilbench.families.templates.attacks.template_task import TemplateTask


def move_best_own_images(
    task: TemplateTask,
    own: np.ndarray,
    searches: Mapping[str, Search],
    budgets: Sequence[float],
    device: torch.device,
    rng: np.random.Generator,
) -> np.ndarray:
    """Choose each victim's best own image, and move it until it is accepted.

    Args:
        task: task of impersonation; its rows are replaced.
        own: all of the attacker's own images, shape (m, c, h, w); the one with the highest match score is chosen.
        searches: searches by name; the one called "surrogate" follows the task's surrogate, if there is one.
        budgets: budgets in ascending order, in units of `task.distance_to_boundary`.
        device: torch device to compute on.
        rng: source of the random numbers of the searches.

    Returns:
        Whether each victim accepts the image as it is, and moved by each budget or less; shape (1 + budgets, n), bool.
    """
    scores = score_own_features(task.system, task.system.scheme.features(own))
    met = scores.max(1) >= task.system.threshold
    success = np.repeat(met[None], 1 + len(budgets), 0)
    if met.all():
        return success
    rejected = replace(task, rows=own[scores.argmax(1)]).subset(~met)
    success[1:, ~met] = move_any(rejected, searches, budgets, device, rng)
    return success


def report_best_own_images(found: Findings, success: np.ndarray, own: int, budgets: Sequence[float]) -> None:
    """Add the shares of victims who accept the best own image, as it is and moved.

    Args:
        found: findings to add to.
        success: what `move_best_own_images` returned, shape (1 + budgets, n).
        own: number of own images.
        budgets: budgets in ascending order; the last one is the reference budget.
    """
    shares = [proportion(int(accepted.sum()), len(accepted)) for accepted in success]
    found.metrics["met_by_best_own_image"], found.metrics["impersonated_from_best_own_image"] = shares[0], shares[-1]
    found.metrics |= {
        f"impersonated_from_best_own_image_at_{budget:g}": share
        for budget, share in zip(budgets, shares[1:], strict=True)
    }
    row: list[str | float | Metric | None] = [f"the best of {own} own images", *shares]
    columns = ["start", "as it is", *(f"moved by {budget:g}" for budget in budgets)]
    found.tables.append(Table("Accepted from the best of all own images", columns, [row]))
    found.notes.append(
        "From the best of all own images: each is tested with one query, so part of this success is that of the false "
        "match rate."
    )
