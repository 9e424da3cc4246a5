"""Infinite, NaN and constant results end a stage with one line that names the result; nothing is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench import stages
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table, write_record
from veilbench.bench.provenance import sign
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.evaluations.speed import Speed
from veilbench.metrics import gaussian_ratio
from veilbench.metrics.intervals import mean
from veilbench.training.none import NoTraining

CONFIG: Config = {
    "seed": 0,
    "data": {"_target_": "veilbench.families.ciphers.data.text.TextData", "words": [20, 30]},
    "model": {"_target_": "veilbench.families.ciphers.baselines.plaintext.Plaintext"},
    "training": {"_target_": "veilbench.training.none.NoTraining"},
    "trainer": {"_target_": "veilbench.bench.accelerator.Accelerator", "accelerator": "cpu"},
    "evaluation": {"speed": {"_target_": "veilbench.families.ciphers.evaluations.speed.Speed", "length": 100}},
    "digests": {"prepare": "0" * 16, "train": "1" * 16, "evaluate": "2" * 16, "attack": "3" * 16},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text") / "prepared"
    stages.prepare(CONFIG, folder)
    return folder


def save(trained: TrainedModel, folder: Path) -> None:
    trained.save(folder)
    sign(folder, "train", CONFIG)


def infinite_mean(*_: Any) -> Findings:
    return Findings("Speed", metrics={"rate": mean([1.0, math.inf, 2.0])})


def nan_exact(*_: Any) -> Findings:
    return Findings("Speed", metrics={"rate": Metric.exact(float("nan"))})


def lira_of_nothing(*_: Any) -> Findings:
    losses = np.full((4, 6), np.nan)
    score = gaussian_ratio.offline(np.zeros(6), losses)
    return Findings("Speed", metrics={"rate": Metric.exact(score[0])})


def one_run(*_: Any) -> Findings:
    return Findings("Speed", metrics={"rate": mean([1.0])})


def divided(*_: Any) -> Findings:
    raise ZeroDivisionError("float division by zero")


def nan_curve(*_: Any) -> Findings:
    return Findings("Speed", figures=[Figure("F", "x", "y", [Curve("c", [1.0, 2.0], [0.5, math.nan])])])


CASES: list[tuple[Callable[..., Findings], str]] = [
    (nan_exact, "evaluation.speed failed in {place}: metric nan [nan, nan] is not finite"),
    (lira_of_nothing, "evaluation.speed failed in {place}: 24 of 24 losses of the shadows are not finite"),
    (one_run, "evaluation.speed failed in {place}: an interval over runs needs at least 2 runs, got 1"),
    (divided, "evaluation.speed failed in {place}: float division by zero"),
    (nan_curve, "speed.figures[0].curves[0].y[1] is nan, but a record may only hold finite numbers"),
]


@pytest.mark.parametrize(("examine", "said"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_an_evaluation_that_comes_to_no_number_is_one_line(
    examine: Callable[..., Findings], said: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(Plaintext(), tmp_path)
    monkeypatch.setattr(Speed, "examine", examine)
    with pytest.raises(UserError) as refused:
        stages.evaluate(CONFIG, data, tmp_path, tmp_path / "evaluate")
    told = str(refused.value)
    before, _, after = said.partition("{place}")
    assert told.startswith(before)
    assert told.endswith(after)
    assert "\n" not in told
    assert not (tmp_path / "evaluate").exists()


def test_an_infinite_number_in_a_mean_is_named_with_its_interval(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(Plaintext(), tmp_path)
    monkeypatch.setattr(Speed, "examine", infinite_mean)
    with np.errstate(all="ignore"), pytest.raises(UserError, match="Student t over 3 runs, 95 %"):
        stages.evaluate(CONFIG, data, tmp_path, tmp_path / "evaluate")


def test_a_training_that_comes_to_no_number_is_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: Any) -> Any:
        raise ValueError("the loss is nan after 3 steps")

    monkeypatch.setattr(NoTraining, "fit", fit)
    with pytest.raises(UserError, match=r"^training failed in .*: the loss is nan after 3 steps$"):
        stages.train(CONFIG, data, tmp_path / "train")
    assert not (tmp_path / "train").exists()


def test_what_does_not_apply_is_said_as_before(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def examine(*_: Any) -> Findings:
        raise NotImplementedError("it has no key")

    save(Plaintext(), tmp_path)
    monkeypatch.setattr(Speed, "examine", examine)
    with pytest.raises(UserError, match=r"^evaluation\.speed does not apply to this model: it has no key$"):
        stages.evaluate(CONFIG, data, tmp_path, tmp_path / "evaluate")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Findings("A", cost={"seconds": math.inf}), "a.seconds is inf"),
        (Findings("A", tables=[Table("T", ["x"], [["one"], [math.nan]])]), r"a\.tables\[0\]\.rows\[1\]\[0\] is nan"),
    ],
)
def test_a_record_names_the_number_that_is_none(found: Findings, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{said}, but a record may only hold finite numbers$"):
        write_record(tmp_path, {"a": found})
