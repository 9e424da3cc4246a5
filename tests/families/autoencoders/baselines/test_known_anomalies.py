"""The oracle that no small change of an anomaly gets past."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.baselines.known_anomalies import KnownAnomalies
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.metrics.nearest import Norm, nearest


def dealt(one_class: bool = True) -> Rows:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 5)).astype(np.float32)
    odd = (2 * rng.standard_normal((80, 5))).astype(np.float32)
    normal = [Part(x[i::4], np.zeros(75, np.int64)) for i in range(4)]
    test = Part(np.vstack([normal[3].x, odd]), np.repeat([0, 1], [75, 80]))
    return Rows(*normal[:3], test, [], ["normal", "anomaly"], one_class, [])


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_an_anomaly_is_known_up_to_half_the_way_to_a_normal_row_and_not_at_its_end(norm: Norm) -> None:
    rows = dealt()
    oracle = KnownAnomalies(norm).fit(rows, np.random.default_rng(0))
    normal = np.concatenate([rows.train.x, rows.validation.x])
    assert not oracle.score(normal).any()
    odd = rows.test.x[rows.test.y == 1]
    places, reach = nearest(odd, normal, norm)
    np.testing.assert_allclose(oracle.score(odd), reach, rtol=1e-5)
    half = odd + (normal[places] - odd) / 2
    assert (oracle.score(half) > 0).all()
    away = np.random.default_rng(1).standard_normal(odd.shape)
    away *= (reach / 2 / np.linalg.norm(away, 2 if norm == "l2" else np.inf, axis=1))[:, None]
    assert (oracle.score((odd + away).astype(np.float32)) > 0).all()
    assert not oracle.score(normal[places]).any()


def test_it_takes_anomalies_to_know_them() -> None:
    with pytest.raises(UserError, match="KnownAnomalies needs one-class data"):
        KnownAnomalies().fit(dealt(one_class=False), np.random.default_rng(0))
