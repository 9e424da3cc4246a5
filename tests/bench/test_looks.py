"""Looks at a growing sample: their intervals hold jointly, and stopping early makes no verdict false more often."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.bench.findings import Metric
from veilbench.bench.looks import LOOKS_AT_TEXTS, Look, is_certain, look_until_certain, plan_looks
from veilbench.bench.verdict import CONFIDENCE, MARGIN
from veilbench.metrics.intervals import proportion

BROKEN_FROM = 0.8
SHARES = LOOKS_AT_TEXTS


def test_looks_spend_the_error_probability_once() -> None:
    looks = plan_looks(60, SHARES)
    assert [look.units for look in looks] == [12, 42, 60]
    assert sum(1 - look.confidence for look in looks) == pytest.approx(1 - CONFIDENCE)


def test_sixty_units_still_tell_that_a_scheme_holds_and_42_that_it_is_broken() -> None:
    (_, second, last) = plan_looks(60, SHARES)
    assert proportion(0, last.units, last.confidence).high < MARGIN
    assert proportion(42, second.units, second.confidence).low > BROKEN_FROM


@pytest.mark.parametrize(
    ("low", "high", "target", "control"),
    [
        (0.8, 1.0, True, True),
        (0.79, 1.0, False, False),
        (0.01, 0.79, True, True),
        (0.01, 0.8, False, False),
        (-0.1, 0.79, False, True),
        (-0.1, 0.099, True, True),
        (-0.1, 0.1, False, True),
    ],
)
def test_a_gain_is_certain_where_more_units_could_not_change_what_it_means(
    low: float, high: float, target: bool, control: bool
) -> None:
    gain = Metric((low + high) / 2, low, high, 9)
    assert is_certain(gain, BROKEN_FROM, control=False) is target
    assert is_certain(gain, BROKEN_FROM, control=True) is control


def test_no_look_is_taken_after_a_certain_one() -> None:
    seen: list[int] = []

    def measure(look: Look) -> Metric:
        seen.append(look.units)
        return proportion(look.units, look.units, look.confidence)

    assert look_until_certain(plan_looks(60, SHARES), measure, BROKEN_FROM, control=False).n == 42
    assert seen == [12, 42]


@pytest.mark.parametrize("truth", [0.0, MARGIN, 0.5, BROKEN_FROM, 1.0])
def test_a_verdict_at_any_look_is_false_as_rarely_as_one_look_allows(truth: float) -> None:
    """Simulated coin tosses at the lines between verdicts; 10,000 runs resolve a rate of 0.5 % to 0.2 points."""
    rng, tail, false = np.random.default_rng(0), (1 - CONFIDENCE) / 2, np.zeros(2)
    for _ in range(10_000):
        fell = rng.random(60) < truth
        gain = look_until_certain(
            plan_looks(60, SHARES),
            lambda look, fell=fell: proportion(int(fell[: look.units].sum()), look.units, look.confidence),  # type: ignore[misc]
            BROKEN_FROM,
            control=False,
        )
        false += [gain.low > truth, gain.high < truth]
    assert (false / 10_000 <= tail + 0.002).all()
