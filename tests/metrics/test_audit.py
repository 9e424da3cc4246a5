from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, binom

from veilbench.metrics.audit import epsilon_at_least, epsilon_in_one_run


def responses(epsilon: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Randomised response (Warner 1965): exactly (epsilon, 0) differentially private."""
    rng, honest = np.random.default_rng(seed), 1 / (1 + np.exp(-epsilon))
    return (rng.random(n) < honest).astype(float), (rng.random(n) > honest).astype(float)


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_the_bound_stays_below_the_mechanisms_epsilon_and_comes_near(epsilon: float) -> None:
    found = [
        epsilon_at_least(*responses(epsilon, 20_000, seed), 0.0, np.random.default_rng(seed)).value
        for seed in range(40)
    ]
    assert sum(bound > epsilon for bound in found) <= 6  # 5 % of 40 are 2; 7 would have a chance below 1 %
    assert np.mean(found) > 0.8 * epsilon


def test_choosing_among_many_thresholds_shows_nothing_where_nothing_is() -> None:
    shown = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shown += epsilon_at_least(rng.normal(size=400), rng.normal(size=400), 1e-5, rng).value > 0
    assert shown <= 8  # 5 % of 60 are 3; 9 would have a chance below 1 %


def test_delta_is_taken_off() -> None:
    members, others = np.ones(2_000), np.zeros(2_000)
    without, much = (epsilon_at_least(members, others, d, np.random.default_rng(0)).value for d in (0.0, 0.9))
    assert without - much == pytest.approx(np.log(1 / 0.1), abs=0.1)


def test_scores_that_lie_apart_prove_what_their_number_allows() -> None:
    """All 50 members and 50 others are classified correctly: both ends of the interval have a closed form."""
    found = epsilon_at_least(np.ones(100), np.zeros(100), 0.0, np.random.default_rng(0))
    end = 0.025 ** (1 / 50)  # one-sided, each with half of the allowed error of 5 %
    assert found.value == pytest.approx(np.log(end / (1 - end)))
    assert found.n == 100


class InOrder(np.random.Generator):
    """A generator that does not shuffle."""

    def permutation(self, x: Any, axis: int = 0) -> Any:
        return x


def test_the_half_that_chose_the_threshold_proves_nothing() -> None:
    """Only the first halves of the scores are separated, so a threshold chosen on them shows nothing on the second."""
    members, others = np.r_[np.ones(200), np.tile([0.0, 1.0], 100)], np.r_[np.zeros(200), np.tile([0.0, 1.0], 100)]
    rng = InOrder(np.random.PCG64(0))
    assert epsilon_at_least(members, others, 0.0, rng).value == 0
    assert epsilon_at_least(members[::-1], others[::-1], 0.0, rng).value > 2


def by_a_loop(members: np.ndarray, others: np.ndarray, delta: float, confidence: float) -> float:
    """The best threshold on the first halves, and what it shows on the second ones, from quantiles of the beta law."""

    def shown(inside: np.ndarray, outside: np.ndarray, level: float) -> float:
        tail = (1 - confidence) / 2
        hits, alarms = sum(inside > level), sum(outside > level)
        tpr = beta.ppf(tail, hits, len(inside) - hits + 1) if hits else 0.0
        fpr = beta.ppf(1 - tail, alarms + 1, len(outside) - alarms) if alarms < len(outside) else 1.0
        return max(0.0, np.log((tpr - delta) / fpr)) if tpr > delta else 0.0

    m, o = len(members) // 2, len(others) // 2
    best = max(np.unique(others[:o]), key=lambda level: shown(members[:m], others[:o], level))
    return shown(members[m:], others[o:], best)


@pytest.mark.parametrize(("delta", "confidence"), [(0.0, 0.95), (0.05, 0.8), (0.2, 0.99)])
@pytest.mark.parametrize("size", [91, 600])  # with fewer and more thresholds than are tried
def test_the_bound_is_that_of_a_plain_loop(size: int, delta: float, confidence: float) -> None:
    rng = np.random.default_rng(4)
    members, others = rng.normal(2, 1, size), rng.normal(0, 1, size + 29)
    found = epsilon_at_least(members, others, delta, InOrder(np.random.PCG64(0)), confidence)
    assert found.value == pytest.approx(by_a_loop(members, others, delta, confidence))
    assert (found.low, found.high, found.n) == (found.value, found.value, size - size // 2 + (size + 30) // 2)
    assert found.interval.startswith(f"lower end, Clopper-Pearson {100 * confidence:g} %")


@pytest.mark.parametrize("delta", [-0.01, 1.0])
def test_a_delta_that_is_no_probability_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match=f"delta={delta} must be in"):
        epsilon_at_least(np.zeros(4), np.zeros(4), delta, np.random.default_rng(0))


def test_two_scores_of_each_kind_are_the_fewest_and_all_must_be_finite() -> None:
    rng = np.random.default_rng(0)
    assert epsilon_at_least(np.ones(2), np.zeros(2), 0.0, rng).value == 0
    for members, others, said in (
        (np.ones(1), np.zeros(2), "1 scores of members, 1 of them finite"),
        (np.ones(2), np.zeros(1), "1 scores of others, 1 of them finite"),
        (np.array([1.0, np.nan, 1.0]), np.zeros(2), "3 scores of members, 2 of them finite"),
    ):
        with pytest.raises(ValueError, match=said):
            epsilon_at_least(members, others, 0.0, rng)


def test_one_run_proves_what_a_binomial_test_proves() -> None:
    """With delta 0, the share of right guesses has Clopper and Pearson's lower end, and epsilon is its logit."""
    for right, guesses in ((200, 200), (150, 200), (110, 200)):
        share = beta.ppf(0.05, right, guesses - right + 1)
        found = epsilon_in_one_run(right, guesses, 300, 0.0).value
        assert found == pytest.approx(max(0.0, np.log(share / (1 - share))), abs=1e-6)
    assert epsilon_in_one_run(100, 200, 300, 0.0).value == 0


def test_delta_lowers_what_one_run_proves_by_the_papers_formula() -> None:
    epsilon = epsilon_in_one_run(150, 200, 300, 1e-3).value
    law = binom(200, 1 / (1 + np.exp(-epsilon)))
    excess = max(2 / i * (law.cdf(149) - law.cdf(149 - i)) for i in range(1, 151))
    assert law.sf(149) + 300 * 1e-3 * excess == pytest.approx(0.05, abs=1e-6)
    assert epsilon < epsilon_in_one_run(150, 200, 300, 0.0).value


def test_one_run_stays_below_randomised_responses_epsilon() -> None:
    rng = np.random.default_rng(0)
    shown = [epsilon_in_one_run(rng.binomial(1_000, 1 / (1 + np.exp(-1))), 1_000, 1_000, 0.0).value for _ in range(200)]
    assert sum(bound > 1 for bound in shown) <= 18  # 5 % of 200 are 10; 19 would have a chance below 1 %
    assert np.mean(shown) > 0.8


def test_more_right_guesses_than_guesses_are_refused() -> None:
    with pytest.raises(ValueError, match="right=3, guesses=2 and canaries=4 must increase"):
        epsilon_in_one_run(3, 2, 4, 0.0)
