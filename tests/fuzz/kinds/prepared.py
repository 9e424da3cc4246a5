"""Prepared data that is damaged, met by the stages."""

from __future__ import annotations

import random

from ..case import Case, Edit, Odd
from ..mutate import of_file
from ..template import Bench
from .commands import writes_of
from .words import EXPERIMENTS


def make(rng: random.Random, bench: Bench) -> Case:
    """One file of prepared data changed, then a stage that reads it."""
    name = rng.choice(list(EXPERIMENTS))
    path = rng.choice(bench.files(f"prepared/{EXPERIMENTS[name]}/**/*"))
    content: Edit = rng.choice(list(Odd)) if rng.random() < 0.08 else of_file(rng, path, bench.read(path))
    stage = rng.choice(("train", "train", "evaluate"))
    return Case((f"pipelines/{stage}.py", name), {path: content}, writes_of(stage, name))
