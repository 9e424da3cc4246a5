"""Cases in which an attack can decide nothing, however it ends."""

from __future__ import annotations

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.metrics.intervals import above_chance, proportion

NO_INTERVAL = "nothing can be decided"  # label of a gain about which nothing is known


class Undecidable(UserError):
    """The attack can say nothing about its target; the text names the setting and the reason."""


class NotApplicable(UserError):
    """The attack does not apply to the data or the target; the text says why."""


def leave_undecided(findings: Findings, why: Undecidable | str, n: int = 0) -> None:
    """Give the findings a gain that excludes nothing, and a reason that names the attack.

    Args:
        findings: findings of the attack, with its title.
        why: the reason, which names the setting.
        n: number of victims that were attacked.
    """
    findings.gain = Metric(0.0, -1.0, 1.0, n, NO_INTERVAL)
    findings.reason = f"{findings.title}: nothing can be decided, because {why}"


def refuse_large_chance(chance: float, n: int, broken_threshold: float, setting: str) -> None:
    """Reject a chance so close to 1 that not even success with every victim would show a break.

    Args:
        chance: probability that an attack without any information succeeds, in [0, 1].
        n: number of victims that were attacked.
        broken_threshold: gain from which a scheme counts as broken.
        setting: name of the setting that the chance depends on.

    Raises:
        Undecidable: the lower end of the largest possible gain is below the threshold.
    """
    if chance >= 1 or above_chance(proportion(n, n, CONFIDENCE), chance).low < broken_threshold:
        raise Undecidable(
            f"{setting} leaves a chance of {chance:.3g}, and not even success with all {n} victims would show a gain "
            f"of {broken_threshold:g}"
        )
