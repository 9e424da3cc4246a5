"""Membership scores of a shadow pool, against plain loops and scipy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t

from veilbench.metrics import shadow_scores
from veilbench.metrics.membership import auroc
from veilbench.metrics.shadow_scores import Moments, bavaria, fit_gaps, fit_variances, lira_offline, lira_online, rmia

Case = tuple[np.ndarray, np.ndarray, np.ndarray]


def draw(records: int = 12, shadows: int = 8, gap: float = 1.0, seed: int = 0) -> Case:
    """Confidences of a target and of shadows; each record is in half of the shadows."""
    rng = np.random.default_rng(seed)
    inside = rng.permuted(np.tile((np.arange(shadows) < shadows // 2)[:, None], records), axis=0)
    spread = rng.uniform(0.5, 2, records)
    made = 3 * rng.standard_normal(records) + spread * rng.standard_normal((shadows, records)) + gap * inside
    return made[0] + rng.standard_normal(records), made, inside


def sides(shadows: np.ndarray, inside: np.ndarray, record: int) -> tuple[np.ndarray, np.ndarray]:
    return shadows[inside[:, record], record], shadows[~inside[:, record], record]


def pooled_deviation(shadows: np.ndarray, inside: np.ndarray, records: range, which: tuple[int, ...]) -> float:
    """Standard deviation around the means of each record's sides: 0 trained on it, 1 not."""
    parts = [sides(shadows, inside, record)[side] for record in records for side in which]
    return float(np.sqrt(sum(((p - p.mean()) ** 2).sum() for p in parts) / sum(len(p) - 1 for p in parts)))


@pytest.mark.parametrize("count", [8, shadow_scores.MANY])
def test_online_lira_is_the_ratio_of_two_normal_densities_of_one_width(count: int) -> None:
    target, shadows, inside = draw(shadows=count, gap=0.2)
    expected, raised = [], 0
    for record, seen in enumerate(target):
        ins, outs = sides(shadows, inside, record)
        alike = range(record, record + 1) if count == shadow_scores.MANY else range(len(target))
        width = pooled_deviation(shadows, inside, alike, (0, 1))
        member = max(ins.mean(), outs.mean() + shadow_scores.LEAST * width)
        raised += member > ins.mean()
        expected.append(norm.logpdf(seen, member, width) - norm.logpdf(seen, outs.mean(), width))
    assert 0 < raised < len(target)
    np.testing.assert_allclose(lira_online(target, shadows, inside), expected)


def test_far_above_both_laws_online_lira_finds_members_where_two_widths_do_not() -> None:
    """The shadows find a gap of 0.7 deviations; the target is six above its usual confidence, or six below."""
    rng, member = np.random.default_rng(1), np.arange(1_000) < 500
    inside = rng.permuted(np.tile((np.arange(64) < 32)[:, None], 1_000), axis=0)
    shadows, target = rng.standard_normal((64, 1_000)) + 0.7 * inside, np.where(member, 6.0, -6.0)
    two_widths = []
    for record, seen in enumerate(target):
        ins, outs = sides(shadows, inside, record)
        laws = norm.logpdf(seen, ins.mean(), ins.std(ddof=1)), norm.logpdf(seen, outs.mean(), outs.std(ddof=1))
        two_widths.append(laws[0] - laws[1])
    scores = lira_online(target, shadows, inside)
    assert auroc(scores[member], scores[~member]) > 0.99
    assert auroc(np.array(two_widths)[member], np.array(two_widths)[~member]) < 0.9


def test_offline_lira_is_the_tail_of_the_law_of_the_shadows_without_the_record() -> None:
    target, shadows, inside = draw()
    deviation = pooled_deviation(shadows, inside, range(len(target)), (1,))
    means = [sides(shadows, inside, record)[1].mean() for record in range(len(target))]
    np.testing.assert_allclose(lira_offline(target, shadows, inside), -norm.logsf(target, means, deviation))
    shifted = np.where(inside, 99.0, shadows)  # what shadows with the record say does not matter
    np.testing.assert_array_equal(lira_offline(target, shifted, inside), lira_offline(target, shadows, inside))


def test_bavaria_is_the_ratio_of_two_student_densities() -> None:
    target, shadows, inside = draw()
    member, other = Moments.of(shadows, inside), Moments.of(shadows, ~inside)
    shape, scale = fit_variances(member, other)
    gaps, counts = fit_gaps(member, other)
    expected = []
    for record, seen in enumerate(target):
        ins, outs = sides(shadows, inside, record)
        a = shape + (len(ins) + len(outs) - 2) / 2
        b = scale + (((ins - ins.mean()) ** 2).sum() + ((outs - outs.mean()) ** 2).sum()) / 2
        gap = max(gaps[record], shadow_scores.LEAST * np.sqrt(b / a))
        width = np.sqrt(b / a * (1 + (1 / counts[record] + 1 / len(outs)) / 2))
        laws = [t.logpdf(seen, 2 * a, mean, width) for mean in (outs.mean() + gap, outs.mean())]
        expected.append(laws[0] - laws[1])
    np.testing.assert_allclose(bavaria(target, shadows, inside), expected)


def test_the_prior_of_the_variances_is_found_again() -> None:
    """Variances drawn from an inverse gamma law with shape 5 and scale 8, seen through 10 shadows."""
    rng = np.random.default_rng(0)
    variances = 8 / rng.gamma(5, size=40_000)
    shadows = np.sqrt(variances) * rng.standard_normal((10, len(variances)))
    inside = np.tile((np.arange(10) < 5)[:, None], len(variances))
    shape, scale = fit_variances(Moments.of(shadows, inside), Moments.of(shadows, ~inside))
    assert shape == pytest.approx(5, rel=0.15)
    assert scale / (shape - 1) == pytest.approx(2, rel=0.03)


def test_gaps_that_are_noise_are_drawn_to_their_mean() -> None:
    _, shadows, inside = draw(5_000, gap=0.5)
    shrunk, _ = fit_gaps(Moments.of(shadows, inside), Moments.of(shadows, ~inside))
    raw = Moments.of(shadows, inside).means - Moments.of(shadows, ~inside).means
    assert shrunk.std() < 0.3 * raw.std()
    assert shrunk.mean() == pytest.approx(raw.mean())


def test_rmia_counts_whom_of_the_population_a_record_dominates() -> None:
    target, shadows, inside = draw()
    population = draw(9, seed=1)[:2]
    expected = []
    for record, seen in enumerate(target):
        ins, outs = (1 / (1 + np.exp(-side)) for side in sides(shadows, inside, record))
        ratio = 1 / (1 + np.exp(-seen)) / ((ins.mean() + outs.mean()) / 2)
        dominated = 0
        for other, theirs in zip(population[0], population[1].T, strict=True):
            common = np.mean([1 / (1 + np.exp(-one)) for one in theirs])
            dominated += ratio / (1 / (1 + np.exp(-other)) / common) >= 1.1
        expected.append(dominated / 9)
    np.testing.assert_allclose(rmia(target, shadows, inside, population, 1.1), expected)
    assert len(set(expected)) > 2


def planted(leaks: bool) -> tuple[np.ndarray, Case, tuple[np.ndarray, np.ndarray]]:
    """Return who is a member, a target that repeats what members gain in training or not, and a population."""
    _, shadows, inside = draw(1_200, 16, gap=3.0)
    rng, member = np.random.default_rng(5), np.arange(1_000) < 500
    usual = np.where(inside, shadows - 3.0, shadows).mean(0)
    target = usual + 0.3 * rng.standard_normal(1_200)
    target[:1_000] += 3.0 * member if leaks else 0
    return member, (target[:1_000], shadows[:, :1_000], inside[:, :1_000]), (target[1_000:], shadows[:, 1_000:])


@pytest.mark.parametrize("name", ["lira_online", "lira_offline", "bavaria", "rmia"])
def test_each_score_finds_a_planted_leak_and_nothing_where_there_is_none(name: str) -> None:
    for leaks in (True, False):
        member, case, population = planted(leaks)
        scores = rmia(*case, population) if name == "rmia" else getattr(shadow_scores, name)(*case)
        area = auroc(scores[member], scores[~member])
        assert area > 0.8 if leaks else 0.44 < area < 0.56


def test_records_without_two_sides_and_confidences_that_are_not_finite_are_named() -> None:
    target, shadows, inside = draw()
    with pytest.raises(ValueError, match="2 of 12 records are in all of the 8 shadows or in none"):
        bavaria(target, shadows, inside | (np.arange(12) < 2))
    with pytest.raises(ValueError, match="12 confidences of shadows are not finite"):
        lira_online(target, np.where(np.arange(8)[:, None] == 1, np.inf, shadows), inside)
