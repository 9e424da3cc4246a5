from __future__ import annotations

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.clients import Deal, DirichletClients, EqualClients, UnequalClients

LABELS = (np.arange(6_000) % 3 == 0).astype(np.int64)
TOPICS = np.arange(6_000) % 4


def dealt(deal: Deal, seed: int = 0) -> np.ndarray:
    return deal.deal(LABELS, TOPICS, np.random.default_rng(seed))


def spread(clients: np.ndarray, groups: np.ndarray) -> float:
    """The mean standard deviation, over clients, of a group's share in them."""
    shares = [
        np.bincount(groups[clients == c], minlength=groups.max() + 1) / (clients == c).sum() for c in np.unique(clients)
    ]
    return float(np.std(shares, axis=0).mean())


def test_the_sources_three_clients() -> None:
    assert np.bincount(dealt(UnequalClients())).tolist() == [1_000, 1_000, 4_000]


def test_equal_clients() -> None:
    assert np.bincount(dealt(EqualClients(7))).tolist() == [858, 857, 857, 857, 857, 857, 857]


@pytest.mark.parametrize("deal", [UnequalClients(), EqualClients(5), DirichletClients(5, 100.0)])
def test_where_nothing_is_skewed_clients_are_alike(deal: Deal) -> None:
    assert spread(dealt(deal), LABELS) < 0.06


def test_a_small_alpha_skews_what_it_is_told_to_and_nothing_else() -> None:
    by_label, by_topic = dealt(DirichletClients(5, 0.1)), dealt(DirichletClients(5, 0.1, "topic"))
    assert spread(by_label, LABELS) > 0.15 > spread(by_label, TOPICS)
    assert spread(by_topic, TOPICS) > 0.15 > spread(by_topic, LABELS)


def test_dirichlet_shares_have_the_mean_and_variance_of_the_law() -> None:
    alpha, clients = 0.5, 4
    shares = np.array([(dealt(DirichletClients(clients, alpha), seed)[LABELS == 1] == 0).mean() for seed in range(300)])
    a0 = alpha * clients
    variance = alpha * (a0 - alpha) / (a0**2 * (a0 + 1))
    assert abs(shares.mean() - 1 / clients) < 4 * np.sqrt(variance / 300)
    assert 0.8 < shares.var() / variance < 1.25


def test_no_client_is_left_without_mails_and_the_seed_decides() -> None:
    few = DirichletClients(50, 0.01)
    assert (np.bincount(dealt(few), minlength=50) > 0).all()
    assert (dealt(few) == dealt(few)).all()
    assert (dealt(few) != dealt(few, 1)).any()


def test_more_clients_than_mails_is_one_clear_line() -> None:
    rng = np.random.default_rng(0)
    for deal in (EqualClients(9), DirichletClients(9)):
        with pytest.raises(UserError, match=r"clients.count=9 is more than the 8 training mails"):
            deal.deal(LABELS[:8], TOPICS[:8], rng)
    with pytest.raises(UserError, match="leave nothing of 2000 mails"):
        UnequalClients().deal(LABELS[:2_000], TOPICS[:2_000], rng)
