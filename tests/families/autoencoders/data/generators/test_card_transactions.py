"""Payments: the columns against plain loops, the frauds as they are stated, neither trivial nor hopeless to find."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.metrics import roc_auc_score

from veilbench.families.autoencoders.data.generators.card_frauds import KINDS, draw_frauds
from veilbench.families.autoencoders.data.generators.card_holders import (
    CATEGORIES,
    Holders,
    Payments,
    concatenate_payments,
)
from veilbench.families.autoencoders.data.generators.card_transactions import CardTransactions, compute_columns
from veilbench.families.autoencoders.data.raw import Raw, check_raw


@pytest.fixture(scope="module")
def raw() -> Raw:
    return check_raw(CardTransactions(20000, 0.02).read(np.random.default_rng(0)))


def column(raw: Raw, name: str) -> np.ndarray:
    return raw.x[:, raw.features.index(name)]


@pytest.mark.parametrize(("rows", "share", "count"), [(20000, 0.002, 40), (1000, 0.05, 50), (100, 0.0001, 1)])
def test_there_are_exactly_as_many_rows_and_frauds_as_asked_for(rows: int, share: float, count: int) -> None:
    raw = check_raw(CardTransactions(rows, share).read(np.random.default_rng(1)))
    assert raw.x.shape == (rows, 10 + len(CATEGORIES))
    assert raw.labels == ["normal", "fraud"]
    assert raw.y.sum() == count
    told = {kind: int(raw.notes[0].partition(f"{kind} ")[2].partition(",")[0]) for kind in KINDS}
    assert sum(told.values()) == count


def test_columns_are_what_plain_loops_make_of_the_payments() -> None:
    rng = np.random.default_rng(2)
    holders = Holders(6, rng)
    payments = concatenate_payments([holders.draw_payments(200, rng), draw_frauds(holders, 30, rng)[0]])
    table = compute_columns(holders, payments)
    for i in range(230):
        who, now = payments.holder[i], payments.time[i]
        before = [t for t, h in zip(payments.time, payments.holder, strict=True) if h == who and t < now]
        assert np.isclose(np.expm1(table["since_last"][i]), now - max(before) if before else 720)
        assert table["last_day"][i] == sum(now - t <= 24 for t in before)
        assert np.isclose(table["amount_over_habit"][i], payments.amount[i] - holders.amount[who])
        gap = (now - holders.hour[who]) % 24
        assert np.isclose(table["hour_off_habit"][i], min(gap, 24 - gap))
        angle = np.arctan2(table["hour_sin"][i], table["hour_cos"][i])
        assert np.isclose(angle / (2 * np.pi) * 24 % 24, now % 24)
    assert np.array_equal(sum(table[f"category={name}"] for name in CATEGORIES), np.ones(230))


def test_payments_are_in_the_order_of_holders_and_time() -> None:
    rng = np.random.default_rng(3)
    payments = concatenate_payments([Holders(9, rng).draw_payments(300, rng)])
    assert (np.diff(payments.holder) >= 0).all()
    assert (np.diff(payments.time)[np.diff(payments.holder) == 0] >= 0).all()


def test_holders_keep_to_their_habits() -> None:
    rng = np.random.default_rng(4)
    holders = Holders(40, rng)
    payments = holders.draw_payments(40000, rng)
    for who in range(40):
        mine = payments.holder == who
        clock = np.exp(2j * np.pi * payments.time[mine] / 24).mean()
        off = (np.angle(clock) / (2 * np.pi) * 24 - holders.hour[who] + 12) % 24 - 12
        assert abs(off) < 5 / np.sqrt(mine.sum()) * holders.hour_spread[who]
        share = np.bincount(payments.category[mine], minlength=len(CATEGORIES)) / mine.sum()
        expected = np.diff(holders.tastes[who], prepend=0)
        assert np.abs(share - expected).max() < 4 * np.sqrt(0.25 / mine.sum())
    assert (payments.distance[payments.online] == 0).all()
    assert (payments.distance[~payments.online] > 0).all()
    assert not payments.fraud.any()


def kind_of(name: str) -> list[Payments]:
    rng = np.random.default_rng(5)
    holders = Holders(20, rng)
    return [KINDS[name](holders, who % 20, rng) for who in range(100)]


@pytest.mark.parametrize(
    ("name", "least", "most", "hours", "online", "foreign"),
    [
        ("stolen", 3, 8, 3, 0, 0),
        ("tested", 3, 7, 1, 1, None),
        ("cloned", 1, 3, 12, 0, 1),
        ("taken over", 1, 1, 0, 1, None),
    ],
)
def test_each_kind_of_fraud_is_as_stated(
    name: str, least: int, most: int, hours: int, online: int, foreign: int | None
) -> None:
    series = kind_of(name)
    assert {len(one.time) for one in series} == set(range(least, most + 1))
    assert max(np.ptp(one.time) for one in series) <= hours
    assert all((one.online == online).all() and one.fraud.all() for one in series)
    assert all(one.time.min() >= 0 and one.time.max() <= 720 for one in series)
    assert foreign is None or all((one.foreign == foreign).all() for one in series)


def test_a_tested_card_sees_small_amounts_and_then_a_large_one() -> None:
    series = kind_of("tested")
    assert np.mean([one.amount[:-1].mean() for one in series]) < 1
    assert np.mean([one.amount[-1] for one in series]) > 4


def test_kinds_are_about_equal_in_number() -> None:
    rng = np.random.default_rng(6)
    counts = draw_frauds(Holders(50, rng), 400, rng)[1]
    assert sum(counts.values()) == 400
    assert max(counts.values()) - min(counts.values()) <= 8


def test_no_single_column_gives_the_frauds_away(raw: Raw) -> None:
    single = [roc_auc_score(raw.y, column(raw, name)) for name in raw.features]
    assert max(max(auc, 1 - auc) for auc in single) < 0.9


def test_frauds_can_be_learnt_but_overlap_with_normal_payments(raw: Raw) -> None:
    order = np.random.default_rng(7).permutation(len(raw.x))
    train, test = np.split(order, 2)
    model = HistGradientBoostingClassifier(max_iter=25, max_leaf_nodes=15, random_state=0).fit(
        raw.x[train], raw.y[train]
    )
    learnt = roc_auc_score(raw.y[test], model.predict_proba(raw.x[test])[:, 1])
    normal = train[raw.y[train] == 0]
    forest = IsolationForest(random_state=0).fit(raw.x[normal])
    alone = roc_auc_score(raw.y[test], -forest.score_samples(raw.x[test]))
    assert 0.7 < alone < 0.96
    assert alone < learnt < 0.999


def test_the_same_generator_gives_the_same_payments_and_another_seed_others() -> None:
    made = [CardTransactions(500, 0.02).read(np.random.default_rng(seed)).x for seed in (3, 3, 4)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
