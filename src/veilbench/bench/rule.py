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
    failures = "; ".join(describe_failure(control, broken_threshold) for control in failed)
    positives = [control for control in controls if control.kind == "positive"]
    if any(control.kind == "negative" for control in failed) or all(control in failed for control in positives):
        return Ruling(Verdict.INCONCLUSIVE, failures)
    untested = f"; untested: {failures}" if failed else ""
    if gain.low >= broken_threshold:
        reason = f"the gain is at least {gain.low:.2f}; broken begins at {broken_threshold:g}{untested}"
        return Ruling(Verdict.BROKEN, reason)
    if gain.low > 0:
        return Ruling(Verdict.LEAKS, f"the gain is at least {gain.low:.2g}, above chance{untested}")
    if gain.high >= MARGIN:
        reason = f"the gain may be {gain.high:.2f}; {MARGIN:g} or more is not ruled out{untested}"
        return Ruling(Verdict.INCONCLUSIVE, reason)
    if failed:
        return Ruling(Verdict.INCONCLUSIVE, failures)
    return Ruling(Verdict.HOLDS, f"the gain is at most {gain.high:.2g}, below the margin of {MARGIN:g}")


def describe_failure(control: Control, broken_threshold: float | None) -> str:
    """Name a control that failed, what was expected of it, and what happened, as a sentence without a full stop.

    Args:
        control: the control, which did not pass.
        broken_threshold: the gain from which a scheme counts as broken; None if the record does not hold it.
    """
    path = f" of the path {control.path}" if control.path else ""
    from_gain = "" if broken_threshold is None else f", with a gain of {broken_threshold:g} or more"
    if control.kind == "positive":
        expected = f"must be broken{from_gain}"
        outcome = f"the gain may be as low as {control.gain.low:.2f}"
    else:
        expected = "must give nothing away"
        outcome = (
            f"the gain is at least {control.gain.low:.2g}"
            if control.gain.low > 0
            else f"the gain may be {control.gain.high:.2f}, as the interval is too wide to tell"
        )
    return f"the {control.kind} control{path}, {control.name}, failed: it {expected}, but {outcome}"


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
