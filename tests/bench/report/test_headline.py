"""The headline of a stage: one number with few keys, the same for all experiments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from veilbench.bench.findings import Findings, Metric
from veilbench.bench.report.headline import summarize_attacks, summarize_utility
from veilbench.bench.verdict import Verdict
from veilbench.workflow.resolve import list_shown

ROOT = Path(__file__).parents[3]
CONFIG = {"names": {"family": "autoencoders"}}


def measured(**values: float) -> Findings:
    return Findings("Found", {name: Metric(value, value - 0.1, value + 0.1, 9) for name, value in values.items()})


def attacked(gain: float, verdict: Verdict | None) -> Findings:
    return Findings("Attack", gain=Metric(gain, gain - 0.1, gain + 0.1, 9), verdict=verdict)


def test_the_first_evaluation_with_a_column_of_the_leaderboard_counts() -> None:
    found = {
        "unknown": measured(auroc=0.1),
        "anomaly": measured(noise=0.2, auroc=0.9),
        "reconstruction": measured(mse=0.3),
    }
    assert summarize_utility(CONFIG, found) == {"metric": "anomaly.auroc", "value": 0.9, "low": 0.8, "high": 1.0}
    del found["anomaly"]
    assert summarize_utility(CONFIG, found)["metric"] == "reconstruction.mse"


def test_of_one_evaluation_the_first_column_counts() -> None:
    found = {"reconstruction": measured(code_size=8.0, mse=0.3)}
    assert summarize_utility(CONFIG, found)["metric"] == "reconstruction.mse"


def test_the_strongest_attack_counts_by_verdict_and_then_by_gain() -> None:
    found = {
        "one": attacked(0.9, Verdict.INCONCLUSIVE),
        "two": attacked(0.3, Verdict.LEAKS),
        "three": attacked(0.4, Verdict.LEAKS),
    }
    assert summarize_attacks(CONFIG, found) == {
        "metric": "three.gain",
        "value": 0.4,
        "low": pytest.approx(0.3),
        "high": 0.5,
        "verdict": "leaks",
    }


def test_nothing_measured_is_an_empty_headline() -> None:
    assert summarize_utility(CONFIG, {"other": measured(x=1.0)}) == {}
    assert summarize_utility({"names": {"family": "of_a_plugin"}}, {"other": measured(x=1.0)}) == {}
    assert summarize_attacks(CONFIG, {"one": attacked(0.9, None), "two": Findings("Attack")}) == {}


@pytest.mark.parametrize("file", ["dvc.yaml", "src/veilbench/workflow/new_bench/dvc_stages.yaml"])
def test_the_headlines_are_the_only_metrics_of_dvc(file: str) -> None:
    stages = yaml.safe_load((ROOT / file).read_text("utf8"))["stages"]
    assert not [name for name, stage in stages.items() if "metrics" in stage.get("do", stage)]
    assert list_shown(["pca", "deep"])["metrics"] == [
        "../results/pca/evaluate/headline.json",
        "../results/pca/attack/headline.json",
        "../results/deep/evaluate/headline.json",
        "../results/deep/attack/headline.json",
    ]


def test_a_headline_is_plain_json() -> None:
    found = {"one": attacked(0.3, Verdict.LEAKS)}
    assert json.loads(json.dumps(summarize_attacks(CONFIG, found)))["verdict"] == "leaks"
