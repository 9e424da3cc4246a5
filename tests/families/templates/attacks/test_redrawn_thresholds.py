"""Intervals of acceptance rates: as wide as the threshold is uncertain, and never narrower than Clopper-Pearson's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from veilbench.families.templates.attacks.redrawn_thresholds import REPEATS, RedrawnThresholds
from veilbench.metrics.biometric import Comparisons, at_fmr, error_rates
from veilbench.metrics.intervals import proportion

FMR = 0.01


def draw_scores(people: int, rng: np.random.Generator) -> Comparisons:
    """Scores of strangers are standard normal; a person's own are higher."""
    scores = rng.standard_normal((people, people)) + 4 * np.eye(people)
    return Comparisons.of_all(scores, np.arange(people), np.arange(people))


def test_thresholds_are_those_of_the_people_who_were_drawn() -> None:
    pairs = draw_scores(12, np.random.default_rng(0))
    redrawn = RedrawnThresholds.draw(pairs, np.arange(12), [0.1], np.random.default_rng(1))
    assert redrawn.times.shape == (REPEATS, 12)
    assert (redrawn.times.sum(1) == 12).all()
    scores, mated = pairs.scores.reshape(12, 12), np.eye(12, dtype=bool)
    for times, threshold in list(zip(redrawn.times, redrawn.thresholds[0.1], strict=True))[:20]:
        people = np.repeat(np.arange(12), times)  # written out, person by person
        strangers = scores[np.ix_(people, people)][~mated[np.ix_(people, people)]]
        candidates = [*np.unique(scores[np.ix_(people, people)]), np.inf]
        lowest = min(t for t in np.r_[np.unique(scores), np.inf] if (strangers >= t).mean() <= 0.1)
        assert lowest <= threshold <= min(t for t in candidates if (strangers >= t).mean() <= 0.1)


@pytest.mark.parametrize("fmr", [0.001, 0.01, 0.3, 0.9])
@pytest.mark.parametrize("digits", [1, 6], ids=["many equal scores", "distinct scores"])
def test_thresholds_are_those_of_the_error_rates_of_all_weighted_comparisons(fmr: float, digits: int) -> None:
    pairs = draw_scores(40, np.random.default_rng(3))
    pairs = replace(pairs, scores=pairs.scores.round(digits))
    redrawn = RedrawnThresholds.draw(pairs, np.arange(40), [fmr], np.random.default_rng(4))
    for times, threshold in zip(redrawn.times, redrawn.thresholds[fmr], strict=True):
        weights = np.where(pairs.mated, times[pairs.first], times[pairs.first] * times[pairs.second])
        rates = error_rates(pairs.scores, pairs.mated, weights.astype(float)) if weights[~pairs.mated].any() else None
        assert threshold == (np.inf if rates is None else at_fmr(rates, fmr).threshold)


def test_the_interval_covers_what_other_people_would_have_given() -> None:
    """60 people give a threshold; presented scores near it are accepted or not as it happens to lie."""
    rng, covered, plain = np.random.default_rng(2), 0, 0
    threshold = 2.326  # 1 % of all strangers' scores are above it
    truth = 0.5  # presented scores have this threshold as their median, and little spread
    for _ in range(40):
        pairs = draw_scores(40, rng)
        strangers = np.sort(pairs.scores[~pairs.mated])
        own = strangers[int(np.ceil(0.99 * len(strangers)))]
        presented = threshold + 0.05 * rng.standard_normal(40)
        redrawn = RedrawnThresholds.draw(pairs, np.arange(40), [FMR], rng)
        share = redrawn.share_accepted(presented, FMR, own)
        covered += share.low <= truth <= share.high
        narrow = proportion(int((presented >= own).sum()), 40)
        plain += narrow.low <= truth <= narrow.high
        assert share.low <= narrow.low
        assert share.high >= narrow.high
    assert covered >= 34
    assert plain <= covered - 8  # as if the threshold were known: far too narrow


@pytest.mark.parametrize("accepted", [0, 9])
def test_without_doubt_about_the_threshold_it_is_the_share_of_the_victims(accepted: int) -> None:
    redrawn = RedrawnThresholds(np.ones((5, 9), int), {FMR: np.full(5, 0.5)})
    share = redrawn.share_accepted(np.where(np.arange(9) < accepted, 1.0, 0.0), FMR, 0.5)
    wanted = proportion(accepted, 9)
    assert (share.value, share.low, share.high) == (wanted.value, wanted.low, wanted.high)
