"""Membership metrics and the likelihood ratio, against scikit-learn, loops and distributions with known values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from veilbench.attack_methods.membership_report import measure_gains
from veilbench.bench.findings import Control, Metric
from veilbench.bench.rule import judge
from veilbench.bench.verdict import Verdict
from veilbench.metrics.membership import advantage, auroc, auroc_interval, tpr_at_fpr


def drawn(shift: float, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.standard_normal(n) + shift, 1), np.round(rng.standard_normal(n + 50), 1)  # with ties


def test_auroc_advantage_and_rates_are_those_of_scikit_learn() -> None:
    members, others = drawn(0.7)
    truth, scores = np.repeat([1, 0], [300, 350]), np.concatenate([members, others])
    assert auroc(members, others) == pytest.approx(roc_auc_score(truth, scores))
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert advantage(members, others) == pytest.approx((tpr - fpr).max())
    for rate in (0.01, 0.1, 0.5):
        allowed = (int(rate * 351) - 1) / 350  # a new non-member is above one of 350 with a probability of 1/351
        assert tpr_at_fpr(members, others, rate).value == pytest.approx(tpr[fpr <= allowed].max())


def test_a_rate_that_cannot_be_resolved_is_refused() -> None:
    with pytest.raises(ValueError, match="350 non-members cannot resolve a false positive rate"):
        tpr_at_fpr(*drawn(1), 0.001)
    assert tpr_at_fpr(np.arange(10.0), np.arange(1000.0), 0.001).value == 0
    assert tpr_at_fpr(np.arange(10.0), np.arange(5.0), 1.0).value == 1


def few_for_certain(n: int, rng: np.random.Generator) -> np.ndarray:
    """Members of which 5 % are above all others; the AUROC is .525, and the rate at 1 % false positives .0595."""
    return np.where(rng.random(n) < 0.05, 10.0, rng.standard_normal(n))


@pytest.mark.parametrize(
    ("n", "shift", "truth"), [(10, 1.0, 0.76025), (100, 0.0, 0.5), (30, None, 0.525), (15, 3.0, 0.98305)]
)
def test_the_interval_of_the_auroc_covers_the_truth_as_often_as_it_says(
    n: int, shift: float | None, truth: float
) -> None:
    """Normal distributions, where the truth is Phi(shift / sqrt 2), and a few members betrayed for certain."""
    missed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        members = few_for_certain(n, rng) if shift is None else rng.standard_normal(n) + shift
        made = auroc_interval(members, rng.standard_normal(n), rng, 0.9)
        missed += not made.low <= truth <= made.high
    assert missed <= 12  # 6 expected; 13 would have a chance below 1 %


def test_scores_that_are_apart_have_an_interval_with_a_width() -> None:
    """A bootstrap of ten members above ten others has none."""
    made = auroc_interval(np.ones(10), np.zeros(10), np.random.default_rng(0), 0.95)
    assert (made.value, made.high) == (1, 1)
    assert made.low < 0.025 ** (1 / 10)  # Clopper-Pearson of ten pairs


def test_the_interval_is_that_of_weighted_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same draws, each judged by scikit-learn with weights, and one more score at the worst end."""
    monkeypatch.setattr("veilbench.metrics.membership.DRAWS", 40)
    monkeypatch.setattr("veilbench.metrics.membership.BLOCK", 20)
    members, others = drawn(0.5, 60)
    made = auroc_interval(members, others, np.random.default_rng(7), 0.9)
    rng, truth, ends = np.random.default_rng(7), np.repeat([1, 0], [61, 111]), [[], []]  # type: ignore[var-annotated]
    for _ in range(2):
        blocks = [rng.standard_exponential((20, size)) for size in (61, 111)]  # the extra score's weight is the last
        for ours, theirs in zip(*blocks, strict=True):
            weights = np.concatenate([ours / ours.sum(), theirs / theirs.sum()])
            for worst, rounds in zip((-99.0, 99.0), ends, strict=True):
                scores = np.concatenate([members, [worst], np.sort(others), [-worst]])
                rounds.append(roc_auc_score(truth, scores, sample_weight=weights))
    assert made.low == pytest.approx(np.quantile(ends[0], 0.05))
    assert made.high == pytest.approx(np.quantile(ends[1], 0.95))
    assert made.value == pytest.approx(roc_auc_score(np.repeat([1, 0], [60, 110]), np.concatenate([members, others])))
    assert made.n == 170
    assert made.interval == "Gaffke over members and non-members, 90 %"


@pytest.mark.parametrize("rate", [0.001, 0.01])
@pytest.mark.parametrize("few", [False, True])
def test_the_interval_of_the_rate_covers_the_truth_and_the_estimate_has_no_upward_bias(rate: float, few: bool) -> None:
    """At 0.1 %, an interval with the threshold taken as given covers in a quarter to six tenths of the runs."""
    threshold = norm.isf(rate)
    truth = 0.05 + 0.95 * rate if few else norm.sf(threshold - 1)
    values, missed = [], 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        members = few_for_certain(1000, rng) if few else rng.standard_normal(1000) + 1
        made = tpr_at_fpr(members, rng.standard_normal(1000), rate, 0.95)
        values.append(made.value)
        missed += not made.low <= truth <= made.high
    assert missed <= 24  # at most 15 expected; 25 would have a chance below 1 %
    assert np.mean(values) < truth + 4 * np.std(values) / 300**0.5


def test_few_members_betrayed_for_certain_never_hold() -> None:
    """With 1,000 members and as many others they leak; with fewer nothing is decided, or they leak."""
    outcomes = {}
    controls = [
        Control("positive", "", Metric.exact(1.0), True),
        Control("negative", "", Metric.exact(0.0), True),
    ]
    for n in (50, 300, 1000):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            scores = {"loss": np.concatenate([few_for_certain(n, rng), rng.standard_normal(n)])}
            gain = measure_gains(scores, rng).largest()
            outcomes[n, seed] = judge(gain, controls, 0.8).verdict
    assert Verdict.HOLDS not in outcomes.values()
    assert sum(outcomes[1000, seed] is Verdict.LEAKS for seed in range(10)) >= 7


def test_chance_is_rarely_taken_for_a_leak_and_mostly_holds() -> None:
    controls = [
        Control("positive", "", Metric.exact(1.0), True),
        Control("negative", "", Metric.exact(0.0), True),
    ]
    verdicts = []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        scores = {name: rng.standard_normal(2000) for name in ("loss", "lira")}
        verdicts.append(judge(measure_gains(scores, rng).largest(), controls, 0.8).verdict)
    assert verdicts.count(Verdict.LEAKS) <= 1
    assert verdicts.count(Verdict.HOLDS) >= 8


def test_scores_that_lie_apart_and_scores_that_are_turned_round_have_the_ends_of_the_advantage() -> None:
    low, high = np.arange(4.0), np.arange(10.0, 15.0)
    assert advantage(high, low) == 1
    assert advantage(low, high) == 0
    assert advantage(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0
    assert advantage(np.array([0.0, 2.0]), np.array([0.0, 1.0])) == 0.5


@pytest.mark.parametrize("fpr", [0.1, 0.2, 0.3, 0.55, 0.9, 1.0])
def test_the_threshold_is_the_lowest_that_so_many_others_exceed(fpr: float) -> None:
    others, members = np.arange(10.0), np.arange(10) + 0.5  # one member just above each of the others
    allowed = [t for t in [-1.0, *others] if (others > t).sum() + 1 <= fpr * 11 + 1e-12]
    found = tpr_at_fpr(members, others, fpr, 0.9)
    assert found.value == (members > min(allowed)).mean()
    assert (found.n, found.interval) == (10, "order statistics and Clopper-Pearson, 90 %")
