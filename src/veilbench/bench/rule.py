"""The rule that turns an attack's gain and controls into a verdict. docs/verdicts.md explains it to readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veilbench.bench.findings import BudgetCurve, Control, Metric
from veilbench.bench.verdict import MARGIN, PLATEAU, Verdict


@dataclass(frozen=True)
class Ruling:
    """A verdict, and why it was given, as a sentence without a full stop."""

    verdict: Verdict
    reason: str


def control_passes(kind: str, gain: Metric, broken_threshold: float) -> bool:
    """Return whether a control had the outcome that was known before.

    Args:
        kind: "positive" (must be broken) or "negative" (must show no gain, and its interval must exclude a break).
        gain: the attack's gain on the control.
        broken_threshold: the gain from which a scheme counts as broken.
    """
    if kind == "positive":
        return gain.low >= broken_threshold
    return gain.low <= 0 and gain.high < broken_threshold


def judge(gain: Metric, controls: Sequence[Control], broken_threshold: float, undecided: str = "") -> Ruling:
    """Derive the verdict from an attack's gains on its target and on its controls.

    A target is broken or leaks by the lower end of the interval. It holds only if the upper end is below `MARGIN` and
    every positive control was broken: each shows that one of the attack's paths works.

    Args:
        gain: gain on the target with its interval at the level `CONFIDENCE`; 0 is chance, 1 is complete success.
        controls: the controls that were run.
        broken_threshold: the gain from which a scheme counts as broken.
        undecided: the attack's own reason why nothing can be decided; empty if the gain and the controls decide.
    """
    if undecided:
        return Ruling(Verdict.INCONCLUSIVE, undecided)
    if missing := [kind for kind in ("positive", "negative") if kind not in {control.kind for control in controls}]:
        return Ruling(Verdict.INCONCLUSIVE, f"there is no {missing[0]} control")
    failed = [control for control in controls if not control.passed]
    if negative := [control for control in failed if control.kind == "negative"]:
        return Ruling(Verdict.INCONCLUSIVE, _failure(negative[0], broken_threshold))
    positives = [control for control in controls if control.kind == "positive"]
    if all(control in failed for control in positives):
        return Ruling(Verdict.INCONCLUSIVE, _failure(failed[0], broken_threshold))
    if gain.low >= broken_threshold:
        return Ruling(Verdict.BROKEN, f"the gain is at least {gain.low:.2f}; broken begins at {broken_threshold:g}")
    if gain.low > 0:
        return Ruling(Verdict.LEAKS, f"the gain is at least {gain.low:.2g}, above chance")
    if gain.high >= MARGIN:
        return Ruling(Verdict.INCONCLUSIVE, f"the gain may be {gain.high:.2f}; {MARGIN:g} or more is not ruled out")
    if failed:
        return Ruling(Verdict.INCONCLUSIVE, _failure(failed[0], broken_threshold))
    return Ruling(Verdict.HOLDS, f"the gain is at most {gain.high:.2g}, below the margin of {MARGIN:g}")


def _failure(control: Control, broken_threshold: float) -> str:
    path = f" of the path {control.path}" if control.path else ""
    if control.kind == "positive":
        outcome = f"is only known to gain {control.gain.low:.2f}, and {broken_threshold:g} is needed"
    elif control.gain.low > 0:
        outcome = f"gains at least {control.gain.low:.2g}, where there is nothing to gain"
    else:
        outcome = f"may gain {control.gain.high:.2f}: its interval is too wide to tell"
    return f"the {control.kind} control{path}, {control.name}, {outcome}"


def doubt_budget(budget: BudgetCurve | None) -> str:
    """Return why a larger budget may raise the gain; empty if the attack has reached its plateau or has no budget."""
    if budget is None:
        return ""
    rise = budget.last_rise()
    if rise is None:
        return f"budget in doubt: {budget.setting} was not doubled"
    if rise > PLATEAU + 1e-9:
        return f"budget in doubt: the last doubling of {budget.setting} raised the gain by {rise:.2f}"
    return ""
