"""A process that works on a shared study: arguments STORAGE TRIALS SECONDS; prints the number of each trial."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from veilbench.bench.search import Range, Search
from veilbench.workflow.search import suggest_overrides
from veilbench.workflow.shared_study import SharedStudy
from veilbench.workflow.study import open_study

if TYPE_CHECKING:
    import optuna

SPACE = {"a": [1, 2, 3], "b": Range(0.0, 1.0), "c": Range(1, 1000, log=True)}


def search(trials: int) -> Search:
    return Search(trials, "evaluate.x", "minimize", SPACE, sampler="random", seed=3, lease=0.1)


def value_of(trial: optuna.Trial) -> float:
    a, b, c = (float(word.partition("=")[2]) for word in suggest_overrides(trial, search(1)))
    return a + b + c


if __name__ == "__main__":
    storage, trials, seconds = sys.argv[1:]

    def run_slowly(trial: optuna.Trial) -> float:
        value = value_of(trial)
        print(trial.number, flush=True)
        time.sleep(float(seconds))
        return value

    shared = SharedStudy(open_study("s", search(int(trials)), storage, {}), search(int(trials)), pause=0.1)
    shared.queue_missing()
    shared.optimize(run_slowly)
