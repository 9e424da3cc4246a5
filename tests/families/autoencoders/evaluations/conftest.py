"""Small data whose right answers are known, and what every evaluation is given."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings, Picture
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.data.rows import Part, Rows

Examine = Callable[[Any, TrainedModel, Any], Findings]


def dealt(x: np.ndarray, y: np.ndarray, labels: list[str], features: list[str]) -> Rows:
    parts = [Part(x[i::4].astype(np.float32), y[i::4].astype(np.int64)) for i in range(4)]
    return Rows(*parts, features, labels, False, [])


@pytest.fixture
def examine() -> Examine:
    """Run an evaluation twice with the same seed, and give back what it found."""

    def run(evaluation: Any, model: TrainedModel, rows: Any) -> Findings:
        one, again = (evaluation.examine(model, rows, Accelerator("cpu"), np.random.SeedSequence(5)) for _ in range(2))
        assert one.as_dict() == again.as_dict()
        return one

    return run


@pytest.fixture
def pixels() -> Callable[[Picture], np.ndarray]:
    return lambda picture: np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.png))).convert("RGB"))


@pytest.fixture(scope="session")
def digits() -> Rows:
    data = load_digits()
    return dealt(data.images[:1200, None] / 16, data.target[:1200], [str(i) for i in range(10)], [])


@pytest.fixture(scope="session")
def colours() -> Rows:
    rng = np.random.default_rng(0)
    x = rng.random((80, 3, 3, 3)).repeat(4, 2).repeat(4, 3)
    return dealt(x, np.arange(80) % 2, ["even", "odd"], [])


@pytest.fixture(scope="session")
def table() -> Rows:
    """Ten columns of which three vary much, two classes that differ in the first."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 800)
    x = rng.normal(size=(800, 10)) * ([3.0] * 3 + [0.3] * 7)
    x[:, 0] += 12 * y
    return dealt(x, y, ["left", "right"], [f"column {i}" for i in range(10)])


@pytest.fixture(scope="session")
def oddities() -> Rows:
    """Normal rows near a line far from the origin; anomalies are off the line in `column 2` and not larger."""
    rng = np.random.default_rng(2)
    along = rng.normal(size=(2100, 1)) * [[1.0, 1.0, 1.0, 1.0]] + [[5.0, 5.0, 5.0, 0.0]]
    x = (along + 0.1 * rng.normal(size=along.shape)).astype(np.float32)
    x[2000:, 2] += rng.choice([-1.5, 1.5], 100)
    y = (np.arange(2100) >= 2000).astype(np.int64)
    parts = [Part(x[a:b], y[a:b]) for a, b in ((0, 800), (800, 1200), (1200, 1500), (1500, 2100))]
    return Rows(*parts, [f"column {i}" for i in range(4)], ["normal", "anomaly"], True, [])


@pytest.fixture(scope="session")
def ratings() -> Rows:
    """Two tastes of ten films each; everybody likes five of their own."""
    rng = np.random.default_rng(3)
    taste = rng.integers(0, 2, 1200)
    x = np.zeros((1200, 20))
    for person, own in enumerate(taste):
        x[person, 10 * own + rng.permutation(10)[:5]] = 1
    return dealt(x, np.zeros(1200), ["all"], [f"film {i}" for i in range(20)])
