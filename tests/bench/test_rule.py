"""The rule of verdicts: its truth table, and how often it is wrong on samples whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from veilbench.bench.findings import BudgetCurve, Control, Metric
from veilbench.bench.rule import control_passes, describe_failure, doubt_budget, judge
from veilbench.bench.verdict import ATTACKS, CONFIDENCE, MARGIN, PLATEAU, Verdict
from veilbench.metrics.intervals import above_chance, bounded_mean

BROKEN_FROM = 0.8
WON, AT_THE_LINE, SOME, SMALL, BELOW = (
    Metric(0.95, 0.9, 1.0, 99),
    Metric(0.9, BROKEN_FROM, 1.0, 99),
    Metric(0.5, 0.01, 0.9, 99),
    Metric(0.02, 0.0, 0.099, 99),
    Metric(-0.1, -0.4, -0.01, 99),
)
AT_THE_MARGIN = Metric(0.02, 0.0, MARGIN, 99)
WIDE = Metric(0.3, -0.1, 0.9, 99)


def control(kind: str, gain: Metric, path: str = "") -> Control:
    return Control(kind, "Scheme", gain, control_passes(kind, gain, BROKEN_FROM), path)


GOOD = [control("positive", WON), control("negative", BELOW)]


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (WON, Verdict.BROKEN),
        (AT_THE_LINE, Verdict.BROKEN),
        (SOME, Verdict.LEAKS),
        (SMALL, Verdict.HOLDS),
        (BELOW, Verdict.HOLDS),
        (AT_THE_MARGIN, Verdict.INCONCLUSIVE),
        (WIDE, Verdict.INCONCLUSIVE),
    ],
)
@pytest.mark.parametrize("positive", [WON, AT_THE_LINE])
@pytest.mark.parametrize("negative", [SMALL, BELOW, AT_THE_MARGIN])
def test_the_lower_end_breaks_and_the_upper_end_holds(
    gain: Metric, verdict: Verdict, positive: Metric, negative: Metric
) -> None:
    controls = [control("positive", positive), control("negative", negative)]
    assert judge(gain, controls, BROKEN_FROM).verdict is verdict


@pytest.mark.parametrize("gain", [WON, SOME, SMALL])
@pytest.mark.parametrize("controls", [GOOD, []])
def test_an_attack_that_can_decide_nothing_gives_its_own_reason(gain: Metric, controls: list[Control]) -> None:
    ruling = judge(gain, controls, BROKEN_FROM, undecided="all scores are equal")
    assert (ruling.verdict, ruling.reason) == (Verdict.INCONCLUSIVE, "all scores are equal")


@pytest.mark.parametrize("gain", [WON, AT_THE_LINE, SOME, SMALL, BELOW, WIDE])
@pytest.mark.parametrize(
    ("controls", "reason"),
    [
        ([], "no positive control"),
        ([control("negative", BELOW)], "no positive control"),
        ([control("positive", WON)], "no negative control"),
        (
            [control("positive", SOME), control("negative", BELOW)],
            "it must be broken, with a gain of 0.8 or more, but the gain may be as low as 0.01",
        ),
        ([control("positive", WIDE), control("negative", BELOW)], "may be as low as -0.10"),
        (
            [control("positive", WON), control("negative", SOME)],
            "it must give nothing away, but the gain is at least 0.01",
        ),
        ([control("positive", WON), control("negative", WIDE)], "the gain may be 0.90, as the interval is too wide"),
        ([control("positive", WON), control("negative", BELOW), control("negative", SOME)], "must give nothing away"),
    ],
)
def test_a_failed_or_missing_control_makes_every_gain_inconclusive(
    gain: Metric, controls: list[Control], reason: str
) -> None:
    ruling = judge(gain, controls, BROKEN_FROM)
    assert ruling.verdict is Verdict.INCONCLUSIVE
    assert reason in ruling.reason


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(WON, Verdict.BROKEN), (SOME, Verdict.LEAKS), (SMALL, Verdict.INCONCLUSIVE), (WIDE, Verdict.INCONCLUSIVE)],
)
def test_an_untested_path_rules_out_holds_only(gain: Metric, verdict: Verdict) -> None:
    controls = [control("positive", WON, "code book"), control("positive", SOME, "learned"), control("negative", BELOW)]
    ruling = judge(gain, controls, BROKEN_FROM)
    assert ruling.verdict is verdict
    assert "the positive control of the path learned, " in ruling.reason
    assert "failed: it must be broken, with a gain of 0.8 or more, but the gain may be as low as 0.01" in ruling.reason


def test_every_control_that_failed_is_named() -> None:
    controls = [control("positive", SOME, "one"), control("positive", WIDE, "two"), control("negative", BELOW)]
    reason = judge(BELOW, controls, BROKEN_FROM).reason
    assert "of the path one" in reason
    assert "of the path two" in reason
    assert "negative" not in reason
    assert "be broken, but" in describe_failure(controls[0], None)


def test_no_verdict_says_secure() -> None:
    assert [str(verdict) for verdict in Verdict] == ["broken", "leaks", "holds at this budget", "inconclusive"]


def test_the_confidence_corrects_for_ten_attacks() -> None:
    assert pytest.approx(0.99) == CONFIDENCE
    assert ATTACKS * (1 - CONFIDENCE) / 2 <= 0.05 + 1e-12


@pytest.mark.parametrize(
    ("budgets", "gains", "doubt"),
    [
        ([100, 200, 400], [0.1, 0.5, 0.5 + PLATEAU], ""),
        ([100, 200, 400], [0.1, 0.5, 0.53], "the last doubling of steps raised the gain by 0.03"),
        ([100, 150, 350], [0.1, 0.1, 0.5], "raised the gain by 0.40"),
        ([100, 150], [0.1, 0.1], "steps was not doubled"),
        ([100], [0.1], "steps was not doubled"),
        ([1, 2, 4], [0.9, 0.5, 0.3], ""),
    ],
)
def test_the_last_doubling_tells_whether_the_plateau_is_reached(
    budgets: list[int], gains: list[float], doubt: str
) -> None:
    found = doubt_budget(BudgetCurve("steps", budgets, gains))
    assert doubt in found
    assert bool(found) == bool(doubt)


def test_without_a_budget_there_is_no_doubt() -> None:
    assert doubt_budget(None) == ""


@pytest.mark.parametrize(("budgets", "gains"), [([], []), ([1, 2], [0.1]), ([2, 1], [0.1, 0.2]), ([1, 1], [0.1, 0.2])])
def test_a_budget_curve_must_increase(budgets: list[int], gains: list[float]) -> None:
    with pytest.raises(ValueError, match="budgets"):
        BudgetCurve("steps", budgets, gains)


Draw = Callable[[np.random.Generator, int], np.ndarray]
CHANCE = 0.16


def bernoulli(p: float) -> Draw:
    return lambda rng, n: (rng.random(n) < p).astype(float)


def bimodal(p: float) -> Draw:
    """Shares of characters read: nearly all of a text with probability p, otherwise about as many as by guessing."""
    return lambda rng, n: np.where(rng.random(n) < p, rng.normal(0.97, 0.01, n), rng.normal(CHANCE, 0.02, n)).clip(0, 1)


def beta(a: float, b: float) -> Draw:
    return lambda rng, n: rng.beta(a, b, n)


def rates(draw: Draw, n: int, chance: float, repeats: int, seed: int = 0) -> dict[Verdict, float]:
    """Return how often each verdict is given on samples of n units, with controls that passed."""
    rng, counts = np.random.default_rng(seed), dict.fromkeys(Verdict, 0)
    for _ in range(repeats):
        gain = above_chance(bounded_mean(draw(rng, n), CONFIDENCE, draws=4_000), chance)
        counts[judge(gain, GOOD, BROKEN_FROM).verdict] += 1
    return {verdict: count / repeats for verdict, count in counts.items()}


def most(repeats: int) -> float:
    """Return the rate that a verdict whose true rate is (1 - CONFIDENCE) / 2 exceeds once in 10,000 simulations."""
    return float(stats.binom.isf(1e-4, repeats, (1 - CONFIDENCE) / 2)) / repeats


def true_gain(draw: Draw, chance: float) -> float:
    return (float(draw(np.random.default_rng(9), 200_000).mean()) - chance) / (1 - chance)


@pytest.mark.parametrize("n", [1, 3, 7, 30, 51, 60, 300, 2_000])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.79, 0.9, 0.99])
def test_verdicts_on_coin_tosses_are_rarely_false(p: float, n: int) -> None:
    repeats = 1_000
    found = rates(bernoulli(p), n, 0.0, repeats)
    if p >= MARGIN:
        assert found[Verdict.HOLDS] <= most(repeats)
    if p < BROKEN_FROM:
        assert found[Verdict.BROKEN] <= most(repeats)
    if p == 0:
        assert found[Verdict.LEAKS] == 0


@pytest.mark.parametrize("n", [3, 7, 30, 60])
@pytest.mark.parametrize(
    "draw",
    [bimodal(0.12), bimodal(0.5), bimodal(0.8), bimodal(0.9), beta(0.3, 0.3), beta(8, 2), beta(2, 6)],
    ids=["read with .12", "read with .5", "read with .8", "read with .9", "U-shaped", "high", "low"],
)
def test_verdicts_on_texts_are_rarely_false(draw: Draw, n: int) -> None:
    repeats = 200
    found, gain = rates(draw, n, CHANCE, repeats), true_gain(draw, CHANCE)
    if gain >= MARGIN:
        assert found[Verdict.HOLDS] <= most(repeats)
    if gain < BROKEN_FROM:
        assert found[Verdict.BROKEN] <= most(repeats)


def test_a_leak_is_rarely_seen_where_there_is_none() -> None:
    """Texts of which as much is read as by guessing, give or take."""
    for n in (3, 7, 30, 60):
        assert rates(lambda rng, m: rng.normal(CHANCE, 0.03, m).clip(0, 1), n, CHANCE, 300)[Verdict.LEAKS] <= most(300)


@pytest.mark.parametrize("read", [0, 1, 2, 3])
def test_three_texts_decide_nothing_but_a_leak(read: int) -> None:
    shares = np.array([0.98] * read + [CHANCE] * (3 - read))
    verdict = judge(above_chance(bounded_mean(shares, CONFIDENCE), CHANCE), GOOD, BROKEN_FROM).verdict
    assert verdict in (Verdict.INCONCLUSIVE, Verdict.LEAKS)


@pytest.mark.parametrize(("n", "verdict"), [(50, Verdict.INCONCLUSIVE), (51, Verdict.HOLDS)])
def test_holds_needs_51_units_of_which_none_falls(n: int, verdict: Verdict) -> None:
    assert judge(bounded_mean(np.zeros(n), CONFIDENCE), GOOD, BROKEN_FROM).verdict is verdict


@pytest.mark.parametrize(("n", "verdict"), [(23, Verdict.LEAKS), (24, Verdict.BROKEN)])
def test_broken_needs_24_units_that_all_fall(n: int, verdict: Verdict) -> None:
    assert judge(bounded_mean(np.ones(n), CONFIDENCE), GOOD, BROKEN_FROM).verdict is verdict


def test_the_rule_is_not_empty() -> None:
    """With 60 units it usually finds what there is."""
    assert rates(bernoulli(0.97), 60, 0.0, 200)[Verdict.BROKEN] > 0.5
    assert rates(bernoulli(0.3), 60, 0.0, 200)[Verdict.LEAKS] > 0.99
    assert rates(bernoulli(0.0005), 60, 0.0, 200)[Verdict.HOLDS] > 0.9
