from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.rules import clipped_mean, geometric_median, krum, median, trimmed_mean

RNG = np.random.default_rng(0)
UPDATES = RNG.normal(0, 1, (7, 40))
SEEDS = np.random.SeedSequence(0)


def test_each_rule_is_what_a_plain_loop_gives() -> None:
    for place in range(40):
        column = sorted(UPDATES[:, place].tolist())
        assert median(UPDATES)[place] == column[3]
        assert trimmed_mean(UPDATES, 0.3)[place] == pytest.approx(sum(column[2:5]) / 3)


@pytest.mark.parametrize("malicious", [0, 1, 2])
def test_krum_is_what_a_plain_loop_gives(malicious: int) -> None:
    for seed in range(20):
        updates = np.random.default_rng(seed).normal(0, 1, (7, 5))
        scores = []
        for i in range(7):
            distances = sorted(float(((updates[i] - updates[j]) ** 2).sum()) for j in range(7) if j != i)
            scores.append(sum(distances[: 7 - malicious - 2]))
        assert krum(updates, malicious) == int(np.argmin(scores))


def test_krum_chooses_as_flowers_does() -> None:
    multikrum = pytest.importorskip("flwr.serverapp.strategy.multikrum")
    app = pytest.importorskip("flwr.app")
    records = [
        app.RecordDict(
            {"arrays": app.ArrayRecord([update]), "metrics": app.MetricRecord({"num-examples": 1, "who": who})}
        )
        for who, update in enumerate(UPDATES)
    ]
    chosen = multikrum.select_multikrum(records, num_malicious_nodes=1, num_nodes_to_select=1)
    assert int(chosen[0]["metrics"]["who"]) == krum(UPDATES, 1)


def test_the_geometric_median_is_what_a_minimiser_of_the_summed_distances_finds() -> None:
    for seed in range(5):
        updates = np.random.default_rng(seed).normal(0, 1, (7, 4)) + 5 * (np.arange(7) == 0)[:, None]

        def sum_distances(at: np.ndarray, updates: np.ndarray = updates) -> float:
            return float(np.sqrt(((updates - at) ** 2).sum(1)).sum())

        found = optimize.minimize(sum_distances, np.median(updates, 0), tol=1e-12)
        np.testing.assert_allclose(geometric_median(updates, 1_000, 1e-9), found.x, atol=1e-4)
        assert sum_distances(geometric_median(updates)) <= found.fun * (1 + 1e-5)


def test_the_geometric_median_of_equal_updates_is_that_update() -> None:
    np.testing.assert_array_equal(geometric_median(np.ones((4, 3))), np.ones(3))


@pytest.mark.parametrize("largest_norm", [None, 0.5, 1e9])
def test_the_clipped_mean_is_what_a_plain_loop_gives(largest_norm: float | None) -> None:
    lengths = [float((update**2).sum() ** 0.5) for update in UPDATES]
    bound = sorted(lengths)[3] if largest_norm is None else largest_norm
    clipped = [
        update * (bound / length if length > bound else 1) for update, length in zip(UPDATES, lengths, strict=True)
    ]
    np.testing.assert_allclose(clipped_mean(UPDATES, largest_norm), sum(clipped) / 7)
    np.testing.assert_array_equal(clipped_mean(np.zeros((3, 2)), largest_norm), np.zeros(2))


@pytest.mark.parametrize("rule", ["median", "trimmed_mean", "krum", "geometric_median"])
def test_one_poisoned_client_moves_the_mean_and_not_the_robust_rules(rule: str) -> None:
    updates = 1 + RNG.normal(0, 0.01, (6, 30))
    updates[2] = -1e6
    clients, aggregator = Robust(rule, 0.2, 1).setup(6, SEEDS)  # type: ignore[arg-type]
    mean = clients[0].open(aggregator.combine([c.protect(u, 0.1) for c, u in zip(clients, updates, strict=True)]))
    assert np.abs(mean - 1).max() < 0.1
    assert np.abs(updates.mean(0) - 1).min() > 1e5


def test_too_few_clients_are_named() -> None:
    with pytest.raises(ValueError, match="Krum with 1 malicious clients needs at least 4, got 3"):
        krum(UPDATES[:3], 1)
    with pytest.raises(ValueError, match="leaves nothing of 2 clients"):
        trimmed_mean(UPDATES[:2], 0.5)
    clients, aggregator = Robust("krum").setup(2, SEEDS)
    with pytest.raises(UserError, match=r"aggregation.rule=krum: Krum .* needs at least 3, got 2"):
        aggregator.combine([client.protect(np.ones(3), 1.0) for client in clients])
