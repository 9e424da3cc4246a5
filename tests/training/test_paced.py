"""Training whose length follows the rows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.modules.autoencoder import Autoencoder
from veilbench.nets.dense import Dense
from veilbench.training.paced import Paced


@pytest.mark.parametrize(
    ("rows", "steps"),
    [(5, 40), (64, 40), (512, 80), (640, 100), (10_000, 600), (1_000_000, 600)],
)
def test_the_steps_follow_the_rows_within_bounds(rows: int, steps: int) -> None:
    assert Paced(10.0, 40, 600, 64).steps(rows) == steps


def test_few_rows_make_smaller_batches_and_each_is_seen_as_often() -> None:
    assert Paced(50.0, 1, 600, 64).steps(10) == 50


def test_it_trains_for_that_many_steps_and_the_learning_rate_falls_along_them(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((240, 6)).astype(np.float32)
    parts = [Part(x[a:b], np.zeros(b - a, np.int64)) for a, b in pairwise([0, 200, 220, 230, 240])]
    rows = Rows(*parts, features=[], labels=["normal"], one_class=False, notes=[])
    module = Autoencoder(Dense(2, 1, [8]), "mse")
    _, found = Paced(10.0, 7, 600, 32, 5).fit(module, rows, Accelerator("cpu"), np.random.SeedSequence(0), tmp_path)
    assert found.metrics["steps"].value == module.planned_steps == 62  # 10 x 200 / 32
    assert found.figures[0].curves[0].x == (*range(5, 61, 5), 62)


def test_bounds_that_cross_are_refused() -> None:
    with pytest.raises(ValueError, match="most_steps=10 must be at least least_steps=40"):
        Paced(least_steps=40, most_steps=10)
