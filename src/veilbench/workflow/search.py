"""Searches over settings with Optuna: TPE or random, with pruning; several processes may work on one study.

Each finished trial is a run in MLflow. The same command continues an interrupted search or joins a running one; a trial
that was killed is repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import TypeAdapter

from veilbench.bench import stages
from veilbench.bench.errors import UserError, list_known
from veilbench.bench.experiment import Config
from veilbench.bench.file_lock import lock_file
from veilbench.bench.report.records import OVERRIDES
from veilbench.bench.report.searches import FILE, SearchResult, Trial
from veilbench.bench.search import Range, Search, read_search
from veilbench.bench.tracking import read_headline
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.conf import choices, find_file
from veilbench.workflow.job import flat, objective, record_job, write_text
from veilbench.workflow.shared_study import SharedStudy
from veilbench.workflow.study import open_study
from veilbench.workflow.sweep import show_settings
from veilbench.workflow.usage import USAGES

if TYPE_CHECKING:
    import optuna

FOLDER, STUDY = Path("multirun/search"), "study.db"
STORAGE = "storage="
GAIN = "gain"  # attribute of a trial: the largest gain of its attacks
OWN = ("trials", "lease")  # settings that may change while a study goes on


def suggest_overrides(trial: optuna.Trial, search: Search) -> list[str]:
    """Let the trial suggest settings, and return them as overrides."""
    chosen: dict[str, Any] = {}
    for name, values in search.space.items():
        if not isinstance(values, Range):
            chosen[name] = trial.suggest_categorical(name, list(values))
        elif isinstance(values.low, int) and isinstance(values.high, int):
            chosen[name] = trial.suggest_int(name, values.low, values.high, log=values.log)
        else:
            chosen[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
    return [f"{name}={value}" for name, value in chosen.items()]


def make_watcher(trial: optuna.Trial, search: Search) -> Callable[[int, dict[str, float]], None] | None:
    """Return a function that reports the watched curve to the trial and prunes it if it is not promising."""
    import optuna

    watched = search.watched
    if watched is None:
        return None

    def watch(steps: int, values: dict[str, float]) -> None:
        if watched not in values:
            raise UserError(f"watched={watched} is not a curve of this training; there are: {', '.join(values)}")
        trial.report(values[watched], steps)
        if trial.should_prune():
            raise optuna.TrialPruned

    return watch


def run(trial: optuna.Trial, search: Search, overrides: list[str], folder: Path) -> float:
    """Run all stages with the trial's settings and publish the record."""
    words = [*overrides, *suggest_overrides(trial, search)]
    config, root = plain(composed(words)), folder / str(trial.number)
    root.mkdir(parents=True, exist_ok=True)
    with record_job(config, root) as begun:
        write_text(root / OVERRIDES, yaml.safe_dump(words))
        stages.run_all(config, root, make_watcher(trial, search), begun)
    if gains := [value for name, value in read_headline(root).items() if name.endswith(".gain")]:
        trial.set_user_attr(GAIN, max(gains))
    return objective(search.objective, root) or 0.0


def settings_of(search: Search, config: Config) -> dict[str, Any]:
    """Return the settings that all trials of a study must share, by dotted names, in JSON's types."""
    own = {name: value for name, value in asdict(search).items() if name not in OWN}
    return dict(json.loads(json.dumps(flat({"search": own, **config}))))


def main(arguments: list[str]) -> None:
    """Run the search and print the best settings; see `veilbench search --help`.

    Args:
        arguments: name of a file of conf/search, `storage=ADDRESS` of the study, overrides in Hydra's grammar, and
            `--cfg job` to print the settings that all trials share.

    Raises:
        UserError: no search was named, or a name or value is not allowed.
    """
    if not arguments or "=" in arguments[0] or arguments[0].startswith("-"):
        raise UserError(f"{USAGES['search'].line}, where NAME is a file of conf/search")
    name, given = arguments[0], [one.removeprefix(STORAGE) for one in arguments[1:] if one.startswith(STORAGE)]
    overrides = [one for one in arguments[1:] if not one.startswith(STORAGE)]
    if (file := find_file(f"search/{name}.yaml")) is None:
        raise UserError(f"there is no search {name}{list_known(name, choices('search'))}")
    search = read_search(file)
    if show_settings(overrides):
        return
    if find_spec("optuna") is None:
        raise UserError("a search needs Optuna: pip install 'veilbench[optuna]'")
    settings = settings_of(search, plain(composed(overrides)))  # refuses wrong settings before anything is written
    folder = FOLDER / name
    storage = given[-1] if given else f"sqlite:///{folder / STUDY}"
    folder.mkdir(parents=True, exist_ok=True)
    with lock_file(folder / STUDY):
        shared = SharedStudy(open_study(name, search, storage, settings), search)
        shared.queue_missing()
    shared.optimize(lambda trial: run(trial, search, overrides, folder))
    said = summarise(shared.study, search)
    result = TypeAdapter(SearchResult).dump_json(collect_result(name, shared.study, search), indent=1)
    write_text(folder / FILE, result.decode() + "\n")
    print(f"{said}\nthe charts: veilbench report {folder}")


def collect_result(name: str, study: optuna.Study, search: Search) -> SearchResult:
    """Collect the finished trials of a study for the charts of the report.

    Args:
        name: name of the search.
        study: its study, of which at least one trial is complete.
        search: the settings of the search.
    """
    states = {"COMPLETE": False, "PRUNED": True}
    trials = [
        Trial(trial.number, trial.value, states[trial.state.name], trial.user_attrs.get(GAIN))
        for trial in study.trials
        if trial.state.name in states
    ]
    best = " ".join(f"{key}={value}" for key, value in study.best_params.items())
    return SearchResult(name, search.objective, search.direction, trials, estimate_importances(study), best)


def estimate_importances(study: optuna.Study) -> dict[str, float]:
    """Return the share of each setting in the variance of the objective (fANOVA); empty if the values are all equal."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    values = {trial.value for trial in study.trials if trial.state.name == "COMPLETE"}
    if len(values) < 2:
        return {}
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in shares.items()}


def summarise(study: optuna.Study, search: Search) -> str:
    """Describe the best trial of a study in one line.

    Raises:
        UserError: no trial was completed.
    """
    states = [trial.state.name for trial in study.trials]
    cut, done = states.count("PRUNED"), states.count("COMPLETE")
    if not done:
        raise UserError(f"none of {search.trials} trials was completed; {cut} were cut short")
    best = study.best_trial
    settings = " ".join(f"{key}={value}" for key, value in best.params.items())
    return f"best of {done + cut} trials, {cut} cut short: {search.objective}={best.value:.6g} with {settings}"
