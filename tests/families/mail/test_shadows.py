"""Shadow filters and their pool: trained as the attacked filter was, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from mail_cases import mails, untrained
from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.local_round import apply_update, train_client
from veilbench.families.mail.shadow_pool import draw_subsets, join_mails, train_pool
from veilbench.families.mail.shadow_rounds import ShadowRounds
from veilbench.families.mail.shadow_steps import ShadowSteps
from veilbench.families.mail.shadows import ShadowFilters, count_words
from veilbench.federated.aggregations.base import Aggregation, ExampleNoise
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.aggregations.equal_dp import EqualDp
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.robust import Robust


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    return mails(tmp_path_factory.mktemp("mails"))


def descend(x: np.ndarray, y: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
    """Take steps of Adam on the mean logistic loss of all rows, with a new optimizer."""
    w, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(1, steps + 1):
        gradient = x.T @ (1 / (1 + np.exp(-x @ w)) - y) / max(len(y), 1)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        w = w - 0.05 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return w


def test_shadows_take_the_training_of_the_filter_where_none_is_set(data: Mails) -> None:
    filters, protocol = ShadowFilters(8, batch_size=7), untrained(data, learning_rate=0.05, local_epochs=2).protocol
    assert filters.trained_as(protocol) == ShadowFilters(8, 3, 2, 7, 0.05, None, "adam", 0.0, 0.0)
    assert filters.trained_as(None) == ShadowFilters(8, 1, 3, 7, 0.01, None, "adam", 0.0, 0.0)
    assert filters.trained_as(None, 0.5) == ShadowFilters(8, 1, 3, 7, 0.01, 0.5, "adam", 0.0, 0.0)
    steep = untrained(data, optimizer="sgd", learning_rate=4.0, momentum=0.5, proximal=0.1).protocol
    assert ShadowFilters(8).trained_as(steep) == ShadowFilters(8, 3, 1, 128, 4.0, None, "sgd", 0.5, 0.1)
    with pytest.raises(ValueError, match="must be numbers"):
        filters.logits(data.test.tokens, data.test.labels, np.ones((8, 360), bool), np.random.default_rng(0))


@pytest.mark.parametrize("clients", [1, 2])
def test_shadows_trained_together_are_a_federation_of_each_ones_mails(data: Mails, clients: int) -> None:
    """Full batches, two rounds; against a plain loop over shadows and clients, and a dense matrix."""
    rng = np.random.default_rng(0)
    tokens, labels = data.train.tokens[:30], data.train.labels[:30]
    inside, owner = rng.random((3, 30)) < 0.5, np.arange(30) % clients
    filters = ShadowFilters(4, rounds=2, epochs=4, batch_size=30, learning_rate=0.05)
    made = filters.logits(tokens, labels, inside, np.random.default_rng(1), owner)
    dense = np.asarray(count_words(tokens).todense(), np.float64)
    for shadow, own in enumerate(inside):
        w = np.zeros(dense.shape[1])
        for _ in range(2):
            held = [own & (owner == client) for client in range(clients)]
            trained = [descend(dense[at], labels[at], w, 4) for at in held]
            w = np.average(trained, axis=0, weights=[at.sum() for at in held])
        np.testing.assert_allclose(made[shadow], dense @ w, rtol=0.01, atol=0.15)  # Adam turns rounding into steps
    assert np.abs(made).max() > 5


def test_a_penalised_shadow_of_all_training_mails_is_the_filter_itself(data: Mails) -> None:
    pool, inside = join_mails(data), np.zeros((2, 810), bool)
    inside[:, : len(data.train)] = True
    filters = ShadowFilters(4).trained_as(None, 1.0)
    made = filters.logits(pool.tokens, pool.labels, inside, np.random.default_rng(0))
    target = LogisticFilter().fit(data, np.random.default_rng(0))
    np.testing.assert_allclose(made[0], target.logits(pool.tokens), atol=0.02)
    other = ShadowFilters(4).trained_as(None, 0.01).logits(pool.tokens, pool.labels, inside, np.random.default_rng(0))
    assert np.abs(other[0] - made[0]).max() > 1


def test_each_shadow_is_trained_on_as_many_mails_as_the_target_and_each_mail_is_in_and_out(data: Mails) -> None:
    pool = train_pool(ShadowFilters(16).trained_as(None), None, data, np.random.default_rng(0))
    assert pool.inside.sum(1).mean() == pytest.approx(len(data.train), rel=0.15)
    for part in (pool, pool.first(8)):
        assert min(part.inside.sum(0).min(), (~part.inside).sum(0).min()) >= 2
    assert pool.counts() == [8, 16]
    member, other = (np.where(side, pool.confidences, 0).sum(0) / side.sum(0) for side in (pool.inside, ~pool.inside))
    assert (member > other).mean() > 0.9  # training raises the confidence of a mail


def test_subsets_leave_each_mail_two_shadows_on_either_side() -> None:
    for size in (1, 50, 99):
        drawn = draw_subsets(8, 100, size, np.random.default_rng(0)).sum(0)
        assert 2 <= drawn.min() <= drawn.max() <= 6


SIZES = (60, 100, 200)
"""Mails of each client."""


def train_once(data: Mails, aggregation: Aggregation, seed: int, **settings: object) -> np.ndarray:
    """The logits of a filter that clients train by PyTorch, Opacus and the aggregation itself."""
    start = untrained(data, aggregation, **settings)
    protocol, weights = start.protocol, start.weights
    assert protocol is not None
    rng, at = np.random.default_rng(seed), np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])
    clients, aggregator = aggregation.setup(len(SIZES), np.random.SeedSequence(seed))
    for _ in range(protocol.rounds):
        sent = []
        for client, own in zip(clients, at, strict=True):
            mails = (data.train.tokens[own], data.train.labels[own], protocol, int(rng.integers(2**31)))
            update = train_client(weights, *mails, aggregation.example_noise())
            sent.append(client.protect(update, len(own) / sum(SIZES)))
        weights = apply_update(weights, clients[0].open(aggregator.combine(sent)))
    start.weights = weights
    return start.logits(data.train.tokens[: sum(SIZES)])


def train_shadows(data: Mails, aggregation: Aggregation, count: int, **settings: object) -> np.ndarray:
    """The logits of shadows that are all trained on the mails of `train_once`."""
    filters = ShadowFilters(4).trained_as(untrained(data, aggregation, **settings).protocol)
    mails, owner = data.train[: sum(SIZES)], np.repeat(np.arange(len(SIZES)), SIZES)
    inside = np.ones((count, sum(SIZES)), bool)
    return filters.logits(mails.tokens, mails.labels, inside, np.random.default_rng(9), owner, aggregation)


STEEP = {"optimizer": "sgd", "learning_rate": 4.0, "local_epochs": 3, "batch_size": 50}


@pytest.mark.parametrize(
    ("aggregation", "settings"),
    [
        (CentralDp(0.5, 1e-9), {}),
        (EqualDp(0.5, 1e-9), {"proximal": 0.5}),
        (ClientLocalDp(0.5, 1e-9), {"optimizer": "sgd", "momentum": 0.5}),
        (Robust("median"), {}),
        (Robust("krum", malicious=0), {}),
        (ExampleDp(1.0, 1e-9), STEEP | {"momentum": 0.5, "learning_rate": 0.5}),
    ],
    ids=lambda value: getattr(value, "rule", type(value).__name__),
)
def test_a_shadow_of_all_mails_is_the_filter_itself(
    data: Mails, aggregation: Aggregation, settings: dict[str, object]
) -> None:
    """One step of all mails in each epoch, and almost no noise; against PyTorch, Opacus and the aggregation."""
    pytest.importorskip("opacus")
    whole = settings | {"batch_size": 1_000}
    made = train_shadows(data, aggregation, 2, **whole)
    target = train_once(data, aggregation, 0, **whole)
    np.testing.assert_allclose(made, np.tile(target, (2, 1)), atol=0.02 * np.abs(target).max())
    assert np.abs(target).max() > 0.05


@pytest.mark.parametrize(
    ("aggregation", "settings"),
    [(CentralDp(1.0, 1.0), {}), (ClientLocalDp(1.0, 0.5), {}), (ExampleDp(1.0, 2.0), STEEP)],
    ids=lambda value: type(value).__name__,
)
def test_shadows_vary_as_filters_do_that_are_trained_again(
    data: Mails, aggregation: Aggregation, settings: dict[str, object]
) -> None:
    pytest.importorskip("opacus")
    made = train_shadows(data, aggregation, 32, **settings)
    again = np.stack([train_once(data, aggregation, seed, **settings) for seed in range(16)])
    spread, truth = made.std(0, ddof=1), again.std(0, ddof=1)
    assert np.median(spread / truth) == pytest.approx(1, abs=0.15)
    error = np.abs(made.mean(0) - again.mean(0)) / (truth * np.sqrt(1 / 16 + 1 / 32))
    assert np.median(error) < 1.3  # of a normal law .67; with few mails, most errors are those of few directions


def test_a_client_without_mails_sends_nothing(data: Mails) -> None:
    bags, labels = count_words(data.train.tokens[:9]), data.train.labels[:9]
    inside, members = np.ones((2, 9), bool), [np.arange(4), np.arange(4, 9)]
    inside[0, 4:] = False
    rounds = ShadowRounds(Robust("median"), members, inside, np.random.default_rng(0))
    steps = ShadowSteps(1, 10, 0.1)
    weights = rounds.run(steps, np.zeros((bags.shape[1], 2), np.float32), bags, labels, np.random.default_rng(0))
    alone = steps.train(
        np.zeros((bags.shape[1], 1), np.float32), bags, labels, inside[:1], members[0], np.random.default_rng(0)
    )
    np.testing.assert_allclose(weights[:, 0], alone[:, 0], atol=1e-6)


def test_a_mails_gradient_is_clipped_before_the_sum() -> None:
    """Two mails of one word each, one ten times: the longer gradient counts no more than the clip."""
    from scipy.sparse import csr_matrix

    bags, labels = csr_matrix(np.array([[10, 0], [0, 1]], np.float32)), np.array([1, 1])
    steps = ShadowSteps(1, 10, 1.0, "sgd", noise=ExampleNoise(0.25, 1e-12))
    weights = steps.train(
        np.zeros((2, 1), np.float32), bags, labels, np.ones((1, 2), bool), np.arange(2), np.random.default_rng(0)
    )
    np.testing.assert_allclose(weights[:, 0], [0.25 / 2, 0.25 / 2], rtol=1e-6)
