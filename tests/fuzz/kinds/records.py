"""Records and resolved experiments that are damaged, met by the report, the tracking and the stages."""

from __future__ import annotations

import random

from ..case import Case, Edit, Odd
from ..mutate import of_file
from ..template import Bench
from .commands import writes_of
from .words import EXPERIMENTS, STAGES, TRACKING

REPORTED = ("findings.json", "findings.json", "cost.json", "made_by.json")
PUBLISHED = (*REPORTED, "metrics.json", "curves.csv")


def make(rng: random.Random, bench: Bench) -> Case:
    """One file of a record changed, then what reads it."""
    if rng.random() < 0.3:
        return _resolved(rng, bench)
    swept, reported = rng.random() < 0.4, rng.random() < 0.6
    root = "outputs/mine/earlier" if swept else f"results/{rng.choice(list(EXPERIMENTS))}"
    read = REPORTED if reported and not swept else PUBLISHED
    path = rng.choice(bench.files(*(f"{root}/*/{name}" for name in read), f"{root}/experiment.yaml"))
    files: dict[str, Edit] = {path: _damaged(rng, bench, path)}
    if swept:
        return Case(("pipelines/track.py", root), files, TRACKING)
    if reported:
        return Case(("pipelines/report.py",), files, writes_of("report"))
    files |= dict.fromkeys(bench.files("mlflow.db*"), Odd.GONE)  # nothing is published yet
    return Case(("pipelines/track.py",), files, TRACKING)


def _damaged(rng: random.Random, bench: Bench, path: str) -> Edit:
    return rng.choice(list(Odd)) if rng.random() < 0.08 else of_file(rng, path, bench.read(path))


def _resolved(rng: random.Random, bench: Bench) -> Case:
    name = rng.choice(list(EXPERIMENTS))
    if rng.random() < 0.2:
        path = rng.choice(bench.files("report/leaderboard.json"))
        return Case(("pipelines/report.py", "--table"), {path: _damaged(rng, bench, path)})
    path = f"params/{name}.yaml"
    files = {path: _damaged(rng, bench, path)}
    script = rng.choice(("report", "track", *STAGES))
    return Case((f"pipelines/{script}.py", *([name] if script in STAGES else [])), files, writes_of(script, name))
