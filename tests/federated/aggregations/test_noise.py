from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.aggregations.noise import clip_update
from veilbench.federated.aggregations.releases import Releases

SEEDS = np.random.SeedSequence(0)
DELTA = 1e-5


def exact_epsilon(sigma: float, rounds: int) -> float:
    """The least epsilon of composed Gaussian mechanisms (Balle and Wang 2018, theorem 8)."""
    mu = np.sqrt(rounds) / sigma

    def delta(epsilon: float) -> float:
        return float(norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu))

    return float(brentq(lambda e: delta(e) - DELTA, 1e-6, 300))


@pytest.mark.parametrize(("sigma", "rounds"), [(0.8, 1), (1, 1), (1, 10), (5, 3), (20, 100)])
def test_epsilon_lies_between_the_exact_one_and_the_simple_bound(sigma: float, rounds: int) -> None:
    rho = rounds / (2 * sigma**2)
    found = Releases(sigma, rounds).epsilon(DELTA)
    assert exact_epsilon(sigma, rounds) < found <= rho + 2 * np.sqrt(rho * np.log(1 / DELTA)) + 0.05


def test_noise_on_updates_counts_with_twice_the_clip_and_central_noise_with_once() -> None:
    assert ClientLocalDp(noise_multiplier=4).epsilon(3) == CentralDp(noise_multiplier=2).epsilon(3)
    assert ClientLocalDp(noise_multiplier=4).epsilon(3) == Releases(2, 3).epsilon(DELTA)


def test_clipping_shortens_and_keeps_the_direction() -> None:
    assert clip_update(np.array([3.0, 4.0]), 1.0) == pytest.approx([0.6, 0.8])
    assert clip_update(np.array([0.3, 0.4]), 1.0).tolist() == [0.3, 0.4]
    assert clip_update(np.zeros(3), 1.0).tolist() == [0, 0, 0]


def errors(aggregation: Aggregation, weights: list[float], size: int = 20_000) -> np.ndarray:
    """What was opened less the mean of the clipped updates, over the clip."""
    clients, aggregator = aggregation.setup(len(weights), SEEDS)
    values = np.random.default_rng(0).normal(0, 1, (len(weights), size))
    short = [clip_update(update, 0.5) for update in values]
    combined = aggregator.combine([c.protect(u, w) for c, u, w in zip(clients, values, weights, strict=True)])
    return np.asarray((clients[0].open(combined) - np.average(short, axis=0, weights=weights)) / 0.5)


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0, 1.0], [0.1, 0.2, 0.7]])
def test_the_noise_of_the_mean_is_what_the_formula_says(weights: list[float]) -> None:
    w = np.array(weights) / sum(weights)
    update, central = errors(ClientLocalDp(0.5, 3.0), weights), errors(CentralDp(0.5, 3.0), weights)
    assert update.std() == pytest.approx(3 * np.sqrt((w**2).sum()), rel=0.03)
    assert central.std() == pytest.approx(3 * w.max(), rel=0.03)
    assert abs(update.mean()) < 4 * update.std() / np.sqrt(len(update))
    assert abs(central.mean()) < 4 * central.std() / np.sqrt(len(central))


def test_a_client_that_does_not_clip_is_clipped_by_the_aggregator() -> None:
    clients, aggregator = CentralDp(1.0, 1e-9).setup(2, SEEDS)
    huge = np.full(4, 1e6)
    mean = clients[0].open(aggregator.combine([clients[0].protect(huge, 1.0), clients[1].protect(np.zeros(4), 1.0)]))
    assert np.linalg.norm(mean) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("aggregation", [ClientLocalDp(), CentralDp()])
def test_the_seed_decides_the_noise_and_clients_have_their_own(aggregation: Aggregation) -> None:
    def mean(seed: int, clients: int = 1) -> np.ndarray:
        own, aggregator = aggregation.setup(clients, np.random.SeedSequence(seed))
        return own[0].open(aggregator.combine([c.protect(np.zeros(50), 1.0) for c in own]))

    assert (mean(0) == mean(0)).all()
    assert (mean(0) != mean(1)).all()
    clients, _ = ClientLocalDp().setup(2, SEEDS)
    assert clients[0].protect(np.zeros(9), 1.0) != clients[1].protect(np.zeros(9), 1.0)


def test_what_leaves_a_client_is_noisy_and_what_leaves_a_central_one_is_not() -> None:
    update = np.full(8, 0.125, np.float32)
    assert update.tobytes() in CentralDp().setup(1, SEEDS)[0][0].protect(update, 1.0)
    assert update.tobytes() not in ClientLocalDp().setup(1, SEEDS)[0][0].protect(update, 1.0)


def test_with_equal_clients_clipping_and_noise_are_those_of_flowers_helpers() -> None:
    flower = pytest.importorskip("flwr.supercore.differential_privacy")
    values = np.random.default_rng(1).normal(0, 1, (5, 20_000))
    short = [row.copy() for row in values]
    for row in short:
        flower.clip_inputs_inplace([row], 0.5)
    assert np.allclose(short, [clip_update(row, 0.5) for row in values])
    deviation = flower.compute_stdv(3.0, 0.5, 5)
    assert CentralDp(0.5, 3.0).noise([0.2] * 5)[1] == pytest.approx(deviation)
    assert 0.5 * errors(CentralDp(0.5, 3.0), [0.2] * 5).std() == pytest.approx(deviation, rel=0.03)
