"""Summarises a record as one row of the tracking store: about ten metrics, and the settings that are not defaults."""

from __future__ import annotations

import getpass
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from veilbench.bench.family import Family
from veilbench.bench.findings import Metric
from veilbench.bench.report import leaderboard
from veilbench.bench.report.numbers import parts, words
from veilbench.bench.report.records import Record, run_name
from veilbench.bench.stage_run import StageRun
from veilbench.bench.verdict import Verdict

DIRTY = "-dirty"
GAIN, LOW = "privacy/gain", "privacy/gain_low"
COUNTED = {Verdict.BROKEN: "privacy/broken", Verdict.LEAKS: "privacy/leaks"}
CONTROLS = "privacy/controls_passed"
COSTS = {"cost/train_seconds": "train_seconds", "cost/attack_seconds": "attack_seconds"}
ON_ROW = ("model.", "training.", "trainer.")


def utility_name(metric: str) -> str:
    """Return the name in the tracking store of a metric of the leaderboard's utility columns."""
    return f"utility/{metric}"


@dataclass(frozen=True)
class Row:
    """What one row shows.

    Attributes:
        name: name of the run: experiment, overrides and seed.
        metrics: the headline metrics, rounded to four significant digits.
        parameters: choices, seed, and the settings that differ from the defaults.
        tags: the verdicts, and what MLflow shows of a run: description, source, user, git commit.
    """

    name: str
    metrics: dict[str, float]
    parameters: dict[str, Any]
    tags: dict[str, str]


def summarise(record: Record, family: Family, run: StageRun | None) -> Row:
    """Summarise a record.

    Args:
        record: the record with the findings of all stages.
        family: the family of its model, which names the metrics of utility.
        run: execution of the stage `train`; None for a record of an earlier version.
    """
    row = leaderboard.row(record)
    return Row(run_name(record), _metrics(row, family), _parameters(record, run), _tags(record, row, family, run))


def _metrics(row: leaderboard.Row, family: Family) -> dict[str, float]:
    utility = {utility_name(c.metric): row["metrics"][c.metric]["value"] for c in family.columns
               if c.metric in row["metrics"]}  # fmt: skip
    privacy: dict[str, float] = {}
    attacks = row["attacks"].values()
    if strongest := leaderboard.strongest(row):
        gain = row["attacks"][strongest]["gain"]
        privacy = {GAIN: gain["value"], LOW: gain["low"]}
    if attacks:
        privacy |= {name: float(sum(a["verdict"] == kind for a in attacks)) for kind, name in COUNTED.items()}
    if passed := [control["passed"] for attack in attacks for control in attack["controls"]]:
        privacy[CONTROLS] = sum(passed) / len(passed)
    costs = {name: row["cost"][key] for name, key in COSTS.items() if row["cost"][key] is not None}
    return {name: round_for_table(value) for name, value in (utility | privacy | costs).items()}


def round_for_table(value: float) -> float:
    """Round to four significant digits: MLflow shows all that there are, and the nested runs have them."""
    return float(f"{value:.4g}")


def _parameters(record: Record, run: StageRun | None) -> dict[str, Any]:
    """Return choices, seed and changed settings; those of the data set only if they were overridden."""
    names, overridden = record.config["names"], {one.lstrip("+").partition("=")[0] for one in record.overrides or ()}
    chosen = {key: names[key] for key in ("experiment", "data", "model", "training") if names.get(key)}
    changed = run.changed.items() if run else ()
    own = {name: value for name, value in changed if name.startswith(ON_ROW) or name in overridden}
    return {**chosen, "seed": record.config["seed"], **own}


def _tags(record: Record, row: leaderboard.Row, family: Family, run: StageRun | None) -> dict[str, str]:
    verdicts = {f"verdict.{name}": _verdict(attack) for name, attack in row["attacks"].items()}
    tags = {"family": family.name, "verdict": str(row["verdict"] or "not attacked"), **verdicts}
    if strongest := leaderboard.strongest(row):
        tags["strongest_attack"] = strongest
    tags |= {"mlflow.note.content": describe(row, family)}
    tags |= {"mlflow.source.name": row["reproduce"][-1], "mlflow.source.type": "LOCAL"}
    with suppress(KeyError, OSError):  # the system does not know its user
        tags["mlflow.user"] = getpass.getuser()
    if run and run.commit:
        tags["mlflow.source.git.commit"] = run.commit.removesuffix(DIRTY)
        tags["mlflow.source.git.dirty"] = str(run.commit.endswith(DIRTY)).lower()
    return tags


def _verdict(attack: leaderboard.Row) -> str:
    """Return the verdict of an attack as a tag."""
    return str(attack["verdict"] or ("not applicable" if attack["reason"] else "no verdict"))


def describe(row: leaderboard.Row, family: Family) -> str:
    """Describe a row in one sentence: what was measured on what, how it was attacked, what it is good for."""
    sentence = f"{family.title}: {row['model']} on {row['data']}, seed {row['seed']}"
    if strongest := leaderboard.strongest(row):
        gain, interval = parts(Metric(**row["attacks"][strongest]["gain"]), share=False, digits=2)
        sentence += f"; {row['verdict']} ({words(strongest)}: gain {gain} {interval}".rstrip() + ")"
    for column in family.columns[:1]:
        if column.metric in row["metrics"]:
            sentence += f"; {column.label} {' '.join(parts(Metric(**row['metrics'][column.metric])))}".rstrip()
    return f"{sentence}."
