from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.report.records import read_cell
from veilbench.bench.report.searches import find_searches
from veilbench.bench.search import Range, Search, read_search
from veilbench.workflow import search as script
from veilbench.workflow.conf import conf_folders
from veilbench.workflow.shared_study import SharedStudy
from veilbench.workflow.study import open_study

CONF = conf_folders()[-1]
SMALL = Search(3, "evaluate.x", "minimize", {"a": [1, 2], "b": Range(0.5, 1.0), "c": Range(1, 9, log=True)}, "loss")


@pytest.mark.parametrize("path", sorted((CONF / "search").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_search_of_conf_can_be_read(path: Path) -> None:
    assert read_search(path).trials > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"direction": "up"}, "direction='up' is not allowed"),
        ({"space": {"a": {"low": 2, "high": 1}}}, "must be below"),
        ({"sampler": "grid"}, "sampler='grid' is not allowed"),
        ({"lease": 0}, "lease=0 is not allowed"),
        ({"colour": 1}, "colour=1 is not allowed"),
    ],
)
def test_a_wrong_search_is_one_clear_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    plain = {"trials": 2, "objective": "x", "direction": "minimize", "space": {"a": [1]}} | change
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(UserError, match=said):
        read_search(tmp_path / "one.yaml")
    with pytest.raises(UserError, match="no search other; there are: one"):
        read_search(tmp_path / "other.yaml")


def opened(folder: Path, settings: dict[str, Any] | None = None, search: Search = SMALL) -> SharedStudy:
    shared = SharedStudy(open_study("s", search, f"sqlite:///{folder}/study.db", settings or {}), search)
    shared.queue_missing()
    return shared


def test_settings_are_drawn_from_the_space(tmp_path: Path) -> None:
    study = opened(tmp_path).study
    drawn = [dict(word.split("=") for word in script.suggest_overrides(study.ask(), SMALL)) for _ in range(20)]
    assert {d["a"] for d in drawn} == {"1", "2"}
    assert all(0.5 <= float(d["b"]) <= 1 for d in drawn)
    assert all(d["c"].isdigit() and 1 <= int(d["c"]) <= 9 for d in drawn)


def test_a_trial_that_a_kill_cut_off_is_tried_again(tmp_path: Path) -> None:
    cut = opened(tmp_path).take()
    assert cut
    settings = script.suggest_overrides(cut, SMALL)
    after = opened(tmp_path)
    after.queue_dead()
    assert [trial.state.name for trial in after.study.trials] == ["FAIL", "WAITING", "WAITING", "WAITING"]
    again = [trial for _ in range(3) if (trial := after.take())]
    assert settings in [script.suggest_overrides(trial, SMALL) for trial in again]
    assert sorted(trial.user_attrs["slot"] for trial in again) == [0, 1, 2]


def test_a_search_goes_on_with_more_trials_and_with_nothing_else_changed(tmp_path: Path) -> None:
    config = {"seed": 0, "model": {"code": 4}, "digests": {}}
    opened(tmp_path, script.settings_of(SMALL, config))
    more = replace(SMALL, trials=9, lease=1.0)
    assert len(opened(tmp_path, script.settings_of(more, config), more).study.trials) == 9
    for other in (
        script.settings_of(SMALL, config | {"seed": 1}),
        script.settings_of(replace(SMALL, direction="maximize"), config),
        script.settings_of(replace(SMALL, space={"a": [1, 2]}), config),
    ):
        with pytest.raises(UserError, match="holds a search of other settings"):
            opened(tmp_path, other)


def test_a_hopeless_trial_is_cut_short_and_a_good_one_is_not(tmp_path: Path) -> None:
    study = opened(tmp_path).study
    for value in (1.0, 1.1, 1.2, 1.3):
        trial = study.ask()
        trial.report(value, 10)
        study.tell(trial, value)
    good, bad = (script.make_watcher(study.ask(), SMALL) for _ in range(2))
    assert good
    assert bad
    good(10, {"loss": 0.5})
    with pytest.raises(optuna.TrialPruned):
        bad(10, {"loss": 5.0})
    with pytest.raises(UserError, match="is not a curve of this training; there are: other"):
        good(20, {"other": 1.0})


def test_a_search_runs_ends_and_has_nothing_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two real trials of a small autoencoder; repeating the command runs no further trial."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "search").mkdir(parents=True)
    plain = {
        "trials": 2,
        "objective": "evaluate.reconstruction.mse",
        "direction": "minimize",
        "watched": "validation loss",
        "space": {"model.net.code": [2, 16]},
    }
    (tmp_path / "conf" / "search" / "small.yaml").write_text(yaml.safe_dump(plain))
    words = ["experiment=undercomplete", "evaluation=[reconstruction]", "attack=[]", "tracking=none", "trainer=cpu"]
    words += ["training.max_steps=20", "training.steps_per_call=10", "data.most_rows=200"]
    script.main(["small", *words])
    assert "best of 2 trials" in capsys.readouterr().out
    (result,) = find_searches([tmp_path / "multirun"])
    assert {trial.number for trial in result.trials} == {0, 1}
    assert result.best in {"model.net.code=2", "model.net.code=16"}
    assert {trial.gain for trial in result.trials} == {None}
    named = {read_cell(path.parent).name for path in tmp_path.glob("multirun/search/small/*/experiment.yaml")}
    assert len(named) == 2
    assert any(result.best in name for name in named)
    records = sorted(tmp_path.glob("multirun/search/small/*/experiment.yaml"))
    assert len(records) == 2
    before = [path.stat().st_mtime_ns for path in records]
    script.main(["small", *words])
    assert [
        path.stat().st_mtime_ns for path in sorted(tmp_path.glob("multirun/search/small/*/experiment.yaml"))
    ] == before
    with pytest.raises(UserError, match=r"holds a search of other settings: seed=5 \(there: 0\)"):
        script.main(["small", *words, "seed=5"])
    with pytest.raises(UserError, match="usage"):
        script.main(["experiment=undercomplete"])


def test_what_a_search_has_found_is_that_of_its_study(tmp_path: Path) -> None:
    study = opened(tmp_path).study
    for number in range(30):
        trial = study.ask()
        code, rest = trial.suggest_categorical("a", [1, 2]), trial.suggest_float("b", 0.5, 1.0)
        trial.set_user_attr(script.GAIN, number / 10)
        study.tell(trial, 10.0 * code + rest)
    study.tell(study.ask(), None, optuna.trial.TrialState.PRUNED)
    study.tell(study.ask(), None, optuna.trial.TrialState.FAIL)
    found = script.collect_result("small", study, SMALL)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert [(t.number, v, t.gain) for t, v in found.completed()] == [
        (t.number, t.value, t.user_attrs[script.GAIN]) for t in complete
    ]
    assert sum(trial.pruned for trial in found.trials) == 1
    assert len(found.trials) == 31
    assert found.importances["a"] > 0.9 > 0.1 > found.importances["b"]
    assert f"a={study.best_params['a']}" in found.best
