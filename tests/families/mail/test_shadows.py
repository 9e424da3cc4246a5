"""Shadow filters and their pool: trained as the attacked filter was, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from mail_cases import mails, untrained
from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.shadow_pool import draw_subsets, join_mails, train_pool
from veilbench.families.mail.shadows import ShadowFilters, count_words


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
    assert filters.trained_as(protocol) == ShadowFilters(8, 3, 2, 7, 0.05)
    assert filters.trained_as(None) == ShadowFilters(8, 1, 3, 7, 0.01)
    assert filters.trained_as(None, 0.5) == ShadowFilters(8, 1, 3, 7, 0.01, 0.5)
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
    pool = train_pool(ShadowFilters(16).trained_as(None), False, data, np.random.default_rng(0))
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
