"""The row of a record: what it shows, with which numbers, and how it is described."""

from __future__ import annotations

import getpass
from typing import Any

import pytest
from made_records import FAMILY, config

from veilbench.bench.findings import Control, Findings, Metric
from veilbench.bench.report.records import Record, run_name
from veilbench.bench.stage_run import StageRun
from veilbench.bench.tracking.row import Row, round_for_table, summarise
from veilbench.bench.verdict import Verdict


def attack(verdict: Verdict | None, gain: float = 0.0, passed: tuple[bool, ...] = (), reason: str = "") -> Findings:
    measured = Metric(gain, gain - 0.1, gain + 0.1, 9, "x") if verdict else None
    controls = [Control("positive", "Broken", Metric.exact(1.0), one) for one in passed]
    return Findings("A", gain=measured, verdict=verdict, controls=controls, reason=reason, cost={"seconds": 3.0})


ATTACKS = {
    "guess": attack(Verdict.LEAKS, 0.7, (True,)),
    "known_plaintext": attack(Verdict.BROKEN, 0.6, (True, False)),
    "full": attack(Verdict.BROKEN, 0.5, (True,)),
    "words": attack(None, reason="not applicable by construction: it has none"),
}


def record(attacks: dict[str, Findings], overrides: tuple[str, ...] | None = None, **names: Any) -> Record:
    utility = Findings("Leak", {"share": Metric(0.5, 0.4, 0.6, 9, "x", "share"), "more": Metric.exact(1)})
    found = {"train": {"training": Findings("T", cost={"seconds": 2.0})}, "evaluate": {"leak": utility}}
    settings = config("e", 3) | {"names": {"experiment": "e", "data": "text", "model": "codebook", **names}}
    return Record("e", settings, {**found, "attack": attacks}, overrides)


def row(made: Record, commit: str = "", **changed: Any) -> Row:
    return summarise(made, FAMILY, StageRun(0, 1, commit, {name.replace("__", "."): x for name, x in changed.items()}))


def test_the_metrics_are_utility_privacy_and_cost() -> None:
    """The strongest attack is the one with the worst verdict, though another has a higher gain."""
    assert row(record(ATTACKS)).metrics == {
        "utility/leak.share": 0.5,
        "privacy/gain": 0.6,
        "privacy/gain_low": pytest.approx(0.5),
        "privacy/broken": 2.0,
        "privacy/leaks": 1.0,
        "privacy/controls_passed": 0.75,
        "cost/train_seconds": 2.0,
        "cost/attack_seconds": 12.0,
    }


def test_what_was_not_attacked_has_no_gain() -> None:
    shown = row(record({}))
    assert shown.metrics == {"utility/leak.share": 0.5, "cost/train_seconds": 2.0}
    assert shown.tags["verdict"] == "not attacked"
    assert "strongest_attack" not in shown.tags
    assert shown.tags["mlflow.note.content"] == "Text ciphers: codebook on text, seed 3; Share 50.0 % [40.0, 60.0]."


def test_verdicts_are_tags_and_the_description_is_a_sentence() -> None:
    tags = row(record(ATTACKS), "abc-dirty").tags
    assert {name: value for name, value in tags.items() if name.startswith("verdict")} == {
        "verdict": "broken", "verdict.guess": "leaks", "verdict.known_plaintext": "broken", "verdict.full": "broken",
        "verdict.words": "not applicable",
    }  # fmt: skip
    assert (tags["strongest_attack"], tags["family"]) == ("known_plaintext", "ciphers")
    assert tags["mlflow.note.content"] == (
        "Text ciphers: codebook on text, seed 3; broken (known plaintext: gain 0.60 [0.50, 0.70]); "
        "Share 50.0 % [40.0, 60.0]."
    )
    assert (tags["mlflow.source.git.commit"], tags["mlflow.source.git.dirty"]) == ("abc", "true")
    assert tags["mlflow.user"] == getpass.getuser()
    assert tags["mlflow.source.name"] == "veilbench run experiment=e"


def test_a_system_that_knows_no_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 5")

    monkeypatch.setattr(getpass, "getuser", nobody)
    tags = row(record(ATTACKS)).tags
    assert "mlflow.user" not in tags
    assert "mlflow.source.git.commit" not in tags


def test_parameters_are_choices_and_changed_settings() -> None:
    """Settings of the data set are shown if they were overridden; otherwise its name stands for them."""
    changed = {"model__bits": 8, "data__words": 9, "data__size": 5, "training__rate": 0.1}
    made = record(ATTACKS, ("experiment=e", "+data.words=9"), training="central")
    assert row(made, **changed).parameters == {
        "experiment": "e", "data": "text", "model": "codebook", "training": "central", "seed": 3,
        "model.bits": 8, "data.words": 9, "training.rate": 0.1,
    }  # fmt: skip
    assert summarise(record(ATTACKS), FAMILY, None).parameters == {
        "experiment": "e", "data": "text", "model": "codebook", "seed": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shown"), [("e", "e seed=3"), ("e model.bits=8", "e model.bits=8 seed=3"), ("e seed=3", "e seed=3")]
)
def test_a_run_is_named_by_what_differs_and_always_by_its_seed(name: str, shown: str) -> None:
    assert run_name(Record(name, config("e", 3), {})) == shown


@pytest.mark.parametrize(("value", "shown"), [(136.124808, 136.1), (0.99735259, 0.9974), (-4.5911e-4, -4.591e-4)])
def test_metrics_of_a_row_have_four_significant_digits(value: float, shown: float) -> None:
    assert round_for_table(value) == shown
