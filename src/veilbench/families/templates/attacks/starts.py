"""The images that an impersonation starts from, and how far its searches get from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from veilbench.attack_methods.evasion_gain import Share
from veilbench.bench.findings import BudgetCurve, Findings, Metric, Table
from veilbench.bench.verdict import CONFIDENCE
from veilbench.metrics.intervals import above_chance, proportion

if TYPE_CHECKING:
    import torch

    from veilbench.attack_methods.evasion_task import Search
    from veilbench.families.templates.attacks.system import TemplateSystem
    from veilbench.families.templates.attacks.template_task import TemplateTask

STARTS = 2  # a random one of the attacker's images, and the closest one
EACH = 1 - (1 - CONFIDENCE) / STARTS  # level of each start's interval, so that both hold jointly (Bonferroni)


def move_any(
    task: TemplateTask,
    searches: Mapping[str, Search],
    budgets: Sequence[float],
    device: torch.device,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return which victims any search moves to acceptance, at each budget or a smaller one; shape (budgets, n), bool.

    A search only moves the rows that those before it could not, within the same budget.

    Args:
        task: images to move towards acceptance.
        searches: searches by name; the one called "surrogate" follows the task's surrogate, if there is one.
        budgets: budgets in ascending order, in units of `task.distance_to_boundary`.
        device: torch device to compute on.
        rng: source of the random numbers of the searches.
    """
    followed = _follow(task, searches)
    curve, moved = np.zeros((len(budgets), len(task.rows)), bool), np.zeros(len(task.rows), bool)
    for index, budget in enumerate(budgets):
        for name, one in followed.items():
            if not moved.all():
                left = ~moved
                moved[left] = one.subset(left).success(searches[name], budget, device, rng)
        curve[index] = moved
    return curve


def reach_scores(
    task: TemplateTask, searches: Mapping[str, Search], budget: float, device: torch.device, rng: np.random.Generator
) -> np.ndarray:
    """Return the highest match score that the searches reach for each victim, shape (n,).

    A search only moves the rows that those before it could not move beyond all redrawn thresholds.

    Args:
        task: images to move towards acceptance.
        searches: searches by name; the one called "surrogate" follows the task's surrogate, if there is one.
        budget: budget of the searches, in units of `task.distance_to_boundary`.
        device: torch device to compute on.
        rng: source of the random numbers of the searches.
    """
    system, scores = task.system, np.full(len(task.rows), -np.inf, np.float32)
    redrawn = system.redrawn.thresholds[system.reference_fmr]
    enough = np.r_[system.threshold, redrawn[np.isfinite(redrawn)]].max()
    for name, one in _follow(task, searches).items():
        if (left := scores < enough).any():
            images = one.subset(left).move(searches[name], budget, device, rng)
            scores[left] = np.maximum(scores[left], system.subset(left).score(images))
    return scores


def _follow(task: TemplateTask, searches: Mapping[str, Search]) -> dict[str, TemplateTask]:
    """Return the task that each search follows, by its name, without those that lack a surrogate."""
    tasks = {name: task.surrogate() if name == "surrogate" else task for name in searches}
    return {name: one for name, one in tasks.items() if one is not None}


def share_by_scores(system: TemplateSystem, scores: np.ndarray) -> Share:
    """Return a function that gives the share of victims who accept an interval with the threshold's uncertainty.

    Scores on the other side of the threshold than the decision, because a search was repeated, are moved next to it.

    Args:
        system: recognition system that decides.
        scores: match score reached for each victim, shape (n,).
    """
    reached, rejected = scores.astype(np.float64), np.nextafter(np.float64(system.threshold), -np.inf)

    def share(accepted: np.ndarray) -> Metric:
        decided = np.where(accepted, np.maximum(reached, system.threshold), np.minimum(reached, rejected))
        return system.share_accepted(decided, confidence=EACH)

    return share


@dataclass(frozen=True)
class Start:
    """The outcome of an impersonation from one start, at the reference budget.

    Attributes:
        label: what the searches start from, such as "a random image".
        moved: which victims accept the image that the searches found, shape (n,), bool.
        chances: each victim's probability of accepting the start with noise, shape (n,).
        gain: share of victims moved above noise, with an interval at the level `EACH`.
        budget: the gain for increasing budgets of the searches; None in a control.
    """

    label: str
    moved: np.ndarray
    chances: np.ndarray
    gain: Metric
    budget: BudgetCurve | None = None

    @classmethod
    def of(cls, label: str, success: Mapping[str, np.ndarray], budget: int, found: Findings) -> Start:
        """Take a start from the success of searches, shape (budgets, rows), at a budget's index, and its findings."""
        assert found.gain is not None
        return cls(label, success["any"][budget], success["noise"][budget], found.gain, found.budget)

    def accepted(self) -> Metric:
        """Return the share of victims who accept what the searches found."""
        return proportion(int(self.moved.sum()), len(self.moved))

    def accepted_by_noise(self) -> Metric:
        """Return the share of victims who accept the start with noise."""
        return Metric.exact(float(self.chances.mean()), len(self.chances), "share")

    def decides(self, broken_threshold: float) -> bool:
        """Return whether success with every victim would show a break, and noise against noise would show none."""
        n, chance = len(self.moved), float(self.chances.mean())
        if chance == 1:
            return False
        most, noise = (above_chance(proportion(k, n, EACH), chance) for k in (n, round(chance * n)))
        return most.low >= broken_threshold > noise.high


def strongest(starts: Sequence[Start], broken_threshold: float) -> tuple[Start, Metric]:
    """Return the start with the largest gain, and its gain.

    The upper end is the largest of all starts, since the attacker may choose any. A start after the first one that can
    decide nothing, because noise from it is accepted too often, is not counted.
    """
    counted = [starts[0], *(start for start in starts[1:] if start.decides(broken_threshold))]
    best = max(counted, key=lambda start: (start.gain.low, start.gain.value))
    high = max(start.gain.high for start in counted)
    return best, replace(best.gain, high=high, interval=f"{best.gain.interval} for each start")


def report_starts(found: Findings, starts: Sequence[Start], broken_threshold: float) -> None:
    """Set the gain and its curve to those of the strongest start, and list all starts in a table."""
    best, found.gain = strongest(starts, broken_threshold)
    found.budget = best.budget
    found.notes.append(f"The gain is that from {best.label}.")
    rows: list[list[str | float | Metric | None]] = [
        [start.label, len(start.moved), start.accepted(), start.accepted_by_noise(), start.gain] for start in starts
    ]
    found.tables.append(Table("Starts of the impersonation", ["start", "victims", "accepted", "noise", "gain"], rows))
    for start in starts[1:]:
        found.metrics["impersonated_from_closest"] = start.accepted()
        found.metrics["impersonated_from_closest_by_noise"] = start.accepted_by_noise()
        if not start.decides(broken_threshold):
            found.notes.append(f"Not counted: {start.label}, since noise from it is accepted too often to tell.")
