from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, norm

from veilbench.metrics.audit import epsilon_in_one_run
from veilbench.metrics.gaussian_audit import (
    epsilon_of_guesses,
    epsilon_of_scores,
    gaussian_delta,
    gaussian_mechanism_epsilon,
)

DELTA = 1e-5


def play(separation: float, canaries: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian mechanism on canaries that are included by coin flips: scores, and who is included."""
    rng = np.random.default_rng(seed)
    included = rng.random(canaries) < 0.5
    return rng.normal(size=canaries) + separation * included, included


def count_right(scores: np.ndarray, included: np.ndarray, each: int) -> int:
    order = np.argsort(scores)
    return int(included[order[-each:]].sum() + (~included[order[:each]]).sum())


@pytest.mark.parametrize("separation", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_delta_is_the_integral_of_what_one_law_exceeds_the_other(separation: float, epsilon: float) -> None:
    def excess(x: float) -> float:
        return max(0.0, float(norm.pdf(x - separation) - np.exp(epsilon) * norm.pdf(x)))

    crossing = separation / 2 + epsilon / separation
    assert gaussian_delta(epsilon, separation) == pytest.approx(quad(excess, crossing, separation + 12)[0], abs=1e-9)


@pytest.mark.parametrize("separation", [0.01, 0.5, 3.46, 30.0, 100.0])
def test_epsilon_is_the_inverse_of_delta(separation: float) -> None:
    epsilon = gaussian_mechanism_epsilon(separation, DELTA)
    assert gaussian_delta(epsilon, separation) == pytest.approx(DELTA, rel=1e-4)


def test_nothing_apart_is_no_epsilon_and_far_apart_is_finite() -> None:
    assert gaussian_mechanism_epsilon(0.0, DELTA) == gaussian_mechanism_epsilon(-1.0, DELTA) == 0
    assert gaussian_mechanism_epsilon(1e-6, DELTA) == 0  # delta alone suffices
    assert 5_000 < gaussian_mechanism_epsilon(1e9, DELTA) < 6_000


@pytest.mark.parametrize("separation", [1.0, 1.7])
def test_guesses_prove_less_than_is_true_and_mostly_more_than_half(separation: float) -> None:
    true, runs = gaussian_mechanism_epsilon(separation, DELTA), 40
    rights = [count_right(*play(separation, 2_000, seed), 250) for seed in range(runs)]
    shown = np.array([epsilon_of_guesses(right, 500, 2_000, DELTA).value for right in rights])
    assert (shown > true).sum() <= 0.05 * runs
    assert (shown > true / 2).mean() > 0.8
    free = np.array([epsilon_in_one_run(right, 500, 2_000, DELTA).value for right in rights])
    assert (free < shown).all()  # the trade-off of Gaussians is worth something


def test_one_guess_proves_what_a_threshold_between_the_laws_allows() -> None:
    """One canary: the best guess is right with probability Phi(separation / 2), and that must be the level."""
    found = epsilon_of_guesses(1, 1, 1, DELTA, confidence=0.4).value
    assert found == pytest.approx(gaussian_mechanism_epsilon(2 * norm.ppf(0.6), DELTA), rel=1e-6)
    assert epsilon_of_guesses(1, 1, 1, DELTA).value == 0
    assert epsilon_of_guesses(0, 10, 10, DELTA).value == 0


def test_a_bound_for_mechanisms_that_fail_together_is_below_that_of_independent_guesses() -> None:
    """The best bound for independent guesses follows from Clopper and Pearson: the theorem assumes less."""
    share = beta.ppf(0.05, 170, 31)
    independent = gaussian_mechanism_epsilon(2 * norm.ppf(share), DELTA)
    assert 0 < epsilon_of_guesses(170, 200, 200, DELTA).value < independent


def test_more_right_guesses_prove_more_and_the_largest_number_is_finite() -> None:
    shown = [epsilon_of_guesses(right, 200, 600, DELTA).value for right in (100, 140, 160, 180, 200)]
    assert shown[0] == 0
    assert (np.diff(shown) > 0).all()
    assert shown[-1] == pytest.approx(7.84, abs=0.01)


def test_more_right_guesses_than_guesses_are_refused() -> None:
    with pytest.raises(ValueError, match="right=3, guesses=2 and canaries=4 must increase"):
        epsilon_of_guesses(3, 2, 4, DELTA)


@pytest.mark.parametrize("separation", [0.5, 1.7, 3.5])
def test_the_fits_lower_end_is_below_the_truth_in_95_percent_and_near_it(separation: float) -> None:
    true, runs = gaussian_mechanism_epsilon(separation, DELTA), 400
    fits = [epsilon_of_scores(s[i], s[~i], DELTA) for s, i in (play(separation, 600, seed) for seed in range(runs))]
    above = sum(fit.low > true for fit in fits)
    assert above <= 33  # 5 % of 400 are 20; 34 would have a chance below 0.2 %
    assert sum(fit.high < true for fit in fits) <= 33
    assert np.mean([fit.low > 0.5 * true for fit in fits]) > 0.8
    assert np.mean([fit.value for fit in fits]) == pytest.approx(true, rel=0.05)


def test_canaries_of_varying_strength_count_by_their_mean() -> None:
    rng = np.random.default_rng(0)
    outside, strength = rng.normal(size=4_000), rng.integers(0, 5, 4_000)
    found = epsilon_of_scores(rng.normal(size=4_000) + strength, outside, DELTA)
    assert found.low < gaussian_mechanism_epsilon(2.0, DELTA) < found.high


def test_scores_without_noise_are_a_large_finite_epsilon() -> None:
    found = epsilon_of_scores(np.ones(5), np.zeros(5), DELTA)
    assert 5_000 < found.value < 6_000
    assert epsilon_of_scores(np.zeros(5), np.zeros(5), DELTA).value == 0


@pytest.mark.parametrize(("inside", "said"), [([1.0], "1 scores inside"), ([1.0, np.nan], "2 scores inside, 1 of")])
def test_too_few_scores_and_nan_are_refused(inside: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        epsilon_of_scores(np.array(inside), np.zeros(3), DELTA)
