"""The headline of a stage: the number of its record that `dvc metrics` shows, with its interval.

The keys are the same for all experiments, so that `dvc metrics show` is one table with a few columns.
"""

from __future__ import annotations

from collections.abc import Mapping

from veilbench.bench.experiment import Config
from veilbench.bench.family import family_named, family_of
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.report.leaderboard import strongest

Found = Mapping[str, Findings]
Headline = dict[str, str | float]


def summarize_utility(config: Config, found: Found) -> Headline:
    """Return the headline of the stage `evaluate`: the utility that the experiment's first evaluation measures.

    Args:
        config: resolved experiment, which says what its family is.
        found: findings of the evaluations by their names, in the order of the experiment.

    Returns:
        `metric`, `value`, `low` and `high` of the first column of the leaderboard that the first evaluation with such a
        column fills; empty if no evaluation fills one.
    """
    columns = [spec.metric for spec in family_named(family_of(config)).columns]
    for name, findings in found.items():
        filled = {f"{name}.{key}": metric for key, metric in findings.metrics.items()}
        if first := next((column for column in columns if column in filled), None):
            return _describe(first, filled[first])
    return {}


def summarize_attacks(config: Config, found: Found) -> Headline:
    """Return the headline of the stage `attack`: the gain of the strongest attack.

    Args:
        config: resolved experiment; not needed here, as all families have the same verdicts.
        found: findings of the attacks by their names.

    Returns:
        `metric`, `value`, `low`, `high` and `verdict`; empty if no attack gave a verdict.
    """
    judged = {name: {"verdict": f.verdict, "gain": f.gain and {"value": f.gain.value}} for name, f in found.items()}
    name = strongest({"attacks": judged})
    if name is None or (gain := found[name].gain) is None:
        return {}
    return {**_describe(f"{name}.gain", gain), "verdict": str(found[name].verdict)}


def _describe(name: str, metric: Metric) -> Headline:
    return {"metric": name, "value": metric.value, "low": metric.low, "high": metric.high}
