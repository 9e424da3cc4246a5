from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from veilbench.bench.experiment import build
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.equal_dp import EqualDp
from veilbench.federated.aggregations.plain import parse_values
from veilbench.federated.protocol import describe_aggregation

SEEDS = np.random.SeedSequence(0)
WEIGHTS = [0.1, 0.2, 0.7]
VALUES = np.random.default_rng(0).normal(0, 1, (3, 20_000))
Side = Literal["server", "client"]


def opened(aggregation: CentralDp, values: np.ndarray = VALUES) -> np.ndarray:
    clients, aggregator = aggregation.setup(len(values), SEEDS)
    messages = [client.protect(update, weight) for client, update, weight in zip(clients, values, WEIGHTS, strict=True)]
    return clients[0].open(aggregator.combine(messages))


@pytest.mark.parametrize("clips", ["server", "client"])
def test_the_mean_is_of_equal_clients_under_noise_for_one_of_them(clips: Side) -> None:
    short = [0.5 * update / np.sqrt((update**2).sum()) for update in VALUES]
    np.testing.assert_allclose(opened(EqualDp(0.5, 1e-9, clips=clips)), sum(short) / 3, atol=1e-8)
    error = opened(EqualDp(0.5, 3.0, clips=clips)) - sum(short) / 3
    assert error.std() == pytest.approx(3 * 0.5 / 3, rel=0.02)
    assert EqualDp(0.5, 3.0, clips=clips).noise(WEIGHTS) == (0.0, 0.5)


def test_it_hides_as_central_dp_with_less_noise_where_clients_are_unequal() -> None:
    equal, weighted = EqualDp(1.0, 2.0), CentralDp(1.0, 2.0)
    assert equal.epsilon(3) == weighted.epsilon(3)
    assert equal.example_epsilon(3, 1, 128, [1, 2]) == weighted.example_epsilon(3, 1, 128, [1, 2])
    assert equal.noise(WEIGHTS)[1] == pytest.approx(2 / 3)
    assert weighted.noise(WEIGHTS)[1] == pytest.approx(1.4)


@pytest.mark.parametrize(("clips", "length"), [("server", 10.0), ("client", 1.0)])
def test_who_clips_decides_what_the_aggregator_sees_and_whom_it_must_trust(clips: Side, length: float) -> None:
    clients, aggregator = EqualDp(1.0, 1e-9, clips=clips).setup(2, SEEDS)
    huge = np.full(4, 5.0)
    message = clients[0].protect(huge, 0.5)
    assert np.linalg.norm(parse_values(message[-16:], np.float32, 4)) == pytest.approx(length)
    unclipped = CentralDp().setup(1, SEEDS)[0][0].protect(huge, 0.5)  # of a client that does as it likes
    mean = clients[1].open(aggregator.combine([unclipped, clients[1].protect(np.zeros(4), 0.5)]))
    assert np.linalg.norm(mean) == pytest.approx(0.5 if clips == "server" else 5.0)


def test_what_is_described_can_be_built() -> None:
    made = build(describe_aggregation(EqualDp(0.3, 0.7, 1e-6, "client")))
    assert isinstance(made, EqualDp)
    assert (made.clip, made.noise_multiplier, made.delta, made.clips) == (0.3, 0.7, 1e-6, "client")
