"""What the tests of attacks on templates share: people."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.families.templates.data.identities import Identities, Impressions


def portraits(who: np.ndarray, numbers: np.ndarray, noise: float) -> Impressions:
    """Images of 16 x 16 made of 20 smooth patterns; the first of them, strong, is the attribute `pattern`."""
    draw = np.random.default_rng(5)
    basis = np.kron(draw.standard_normal((20, 8, 8)), np.ones((2, 2)))
    people = [np.random.default_rng([7, one]).standard_normal(20) for one in who]
    marks = np.stack(people)
    marks[:, 0] = np.where(marks[:, 0] > 0, 2.0, -2.0)
    each = np.stack([np.random.default_rng([8, a, b]).standard_normal(20) for a, b in zip(who, numbers, strict=True)])
    images = 0.5 + 0.03 * np.einsum("nk,khw->nhw", marks + noise * each, basis)
    attributes = {"pattern": (marks[:, 0] > 0).astype(np.int64)}
    return Impressions(np.clip(images, 0, 1)[:, None].astype(np.float32), who, numbers, attributes)


@pytest.fixture(scope="session")
def people() -> Identities:
    """40 people to train on, 30 that attackers have, 40 enrolled once and probed three times."""
    parts = [
        portraits(np.repeat(np.arange(n), each) + first, np.tile(np.arange(each), n), 0.3)
        for first, n, each in ((0, 40, 4), (1000, 30, 5), (2000, 40, 4))
    ]
    test = parts[2]
    labels = {"pattern": ["one", "other"]}
    return Identities(*parts[:2], test.subset(test.impressions == 0), test.subset(test.impressions > 0), labels, [])
