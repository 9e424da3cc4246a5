"""A search over settings with Optuna: TPE, hopeless trials cut short, continued from its file after a kill.

Usage: search.py NAME OVERRIDE ..., where NAME is a file of conf/search. Each finished trial is a run in MLflow. The
same command again continues; a trial that was cut off by a kill is tried again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipelines.compose import composed, plain
from pipelines.explain import CONF
from pipelines.sweep import objective
from veilbench import stages
from veilbench.errors import UserError, one_line_errors
from veilbench.experiment import part
from veilbench.search import Range, Search, read_search

if TYPE_CHECKING:
    import optuna

FOLDER = Path("multirun/search")


def suggested(trial: optuna.Trial, search: Search) -> list[str]:
    """The trial's settings as overrides."""
    chosen: dict[str, Any] = {}
    for name, values in search.space.items():
        if not isinstance(values, Range):
            chosen[name] = trial.suggest_categorical(name, list(values))
        elif isinstance(values.low, int) and isinstance(values.high, int):
            chosen[name] = trial.suggest_int(name, values.low, values.high, log=values.log)
        else:
            chosen[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
    return [f"{name}={value}" for name, value in chosen.items()]


def watcher(trial: optuna.Trial, search: Search) -> Callable[[int, dict[str, float]], None] | None:
    """What the training tells the trial after each call; it ends a hopeless one."""
    import optuna

    watched = search.watched
    if watched is None:
        return None

    def watch(steps: int, values: dict[str, float]) -> None:
        if watched not in values:
            raise UserError(f"watched={watched} is no curve of this training; there are: {', '.join(values)}")
        trial.report(values[watched], steps)
        if trial.should_prune():
            raise optuna.TrialPruned

    return watch


def run(trial: optuna.Trial, search: Search, overrides: list[str], folder: Path) -> float:
    """All stages with the trial's settings; its record is published."""
    own = suggested(trial, search)
    config = plain(composed([*overrides, *own]))
    root = folder / str(trial.number)
    stages.run_all(config, root, watcher(trial, search))
    (root / "experiment.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf8")
    part(config, "tracking").publish(config, root)
    return objective(search.objective, root) or 0.0


def opened(name: str, search: Search, folder: Path) -> optuna.Study:
    """The study, new or as it was left; trials that a kill cut off are queued again."""
    import optuna

    optuna.logging.set_verbosity(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}",
        study_name=name,
        direction=search.direction,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
    )
    for left in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(left.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(left.params)
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + len(study.trials))
    return study


def main(arguments: list[str]) -> None:
    """Search; print the best settings.

    Raises:
        UserError: no search was named, or a name or value is wrong.
    """
    if not arguments or "=" in arguments[0]:
        raise UserError("usage: search.py NAME OVERRIDE ..., where NAME is a file of conf/search")
    name, overrides = arguments[0], arguments[1:]
    search = read_search(CONF / "search" / f"{name}.yaml")
    if find_spec("optuna") is None:
        raise UserError("a search needs Optuna: pip install 'veilbench[optuna]'")
    plain(composed(overrides))  # a wrong override is said before anything is written
    folder = FOLDER / name
    study = opened(name, search, folder)
    ended = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    study.optimize(lambda trial: run(trial, search, overrides, folder), max(0, search.trials - len(ended)))
    best, cut = study.best_trial, sum(trial.state.name == "PRUNED" for trial in study.trials)
    settings = " ".join(f"{key}={value}" for key, value in best.params.items())
    print(f"best of {search.trials} trials, {cut} cut short: {search.objective}={best.value:.6g} with {settings}")


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1:])
