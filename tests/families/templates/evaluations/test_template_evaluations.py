"""Verification and unlinkability on schemes whose answers are known, and on one that is keyed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.unlinkability import Unlinkability
from veilbench.families.templates.evaluations.verification import Verification, compare_probes, draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.metrics.biometric import Comparisons, equal_error_rate, error_rates

PEOPLE, EACH = 40, 4


class Noise(TemplateScheme):
    """Templates that have nothing to do with the images."""

    keyed = False

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        own = np.random.default_rng(np.frombuffer(features.tobytes(), np.uint8))
        return own.standard_normal((len(features), 64), np.float32)


def part(people: np.ndarray, numbers: np.ndarray, noise: float) -> Impressions:
    """A random pattern for each identity, with noise on each impression."""
    images = []
    for who, number in zip(people, numbers, strict=True):
        pattern = np.random.default_rng([7, who]).random((1, 12, 12))
        images.append(pattern + noise * np.random.default_rng([8, who, 1 + number]).standard_normal((1, 12, 12)))
    return Impressions(np.stack(images).astype(np.float32), people, numbers, {})


def made(noise: float) -> Identities:
    people, numbers = np.repeat(np.arange(PEOPLE), EACH), np.tile(np.arange(EACH), PEOPLE)
    test = part(people, numbers, noise)
    others = part(people[:80] + 1000, numbers[:80], noise)
    return Identities(others, others, test.subset(numbers == 0), test.subset(numbers > 0), {}, [])


@pytest.fixture(scope="module")
def easy() -> Identities:
    return made(0.02)


@pytest.fixture(scope="module")
def hard() -> Identities:
    return made(0.7)


def verified(scheme: TemplateScheme, data: Identities, repeats: int = 40) -> Findings:
    return Verification(repeats=repeats).examine(scheme, data, Accelerator("cpu"), np.random.SeedSequence(0))


def unlinked(scheme: TemplateScheme, data: Identities, repeats: int = 60) -> Findings:
    return Unlinkability(repeats=repeats).examine(scheme, data, Accelerator("cpu"), np.random.SeedSequence(0))


RAW = RawTemplate(ImageExtractor("pixels", None))
HASH = Biohash(ImageExtractor("pixels", None), 100)


def test_what_is_easy_is_recognised_without_error(easy: Identities) -> None:
    found = verified(RAW, easy)
    assert found.metrics["eer_own_token"].value == 0
    assert found.metrics["rank1_own_token"].value == 1
    assert found.metrics["rank1_own_token"].low == pytest.approx(0.025 ** (1 / PEOPLE))
    assert found.metrics["tmr_at_0.01_own_token"].value == 1


def test_noise_is_recognised_by_chance(easy: Identities) -> None:
    found = verified(Noise(ImageExtractor("pixels", None)), easy)
    equal, first = found.metrics["eer_own_token"], found.metrics["rank1_own_token"]
    assert equal.low < 0.5 < equal.high
    assert first.low <= 1 / PEOPLE <= first.high
    assert unlinked(Noise(ImageExtractor("pixels", None)), easy).metrics["d_sys"].low == 0


def test_what_the_comparisons_cannot_resolve_is_refused_with_its_reason(easy: Identities) -> None:
    found = verified(RAW, easy)  # 40 * 3 * 39 = 4,680 comparisons of two identities
    assert "tmr_at_0.001_own_token" not in found.metrics
    assert any("FMR 0.001 needs 10,000 comparisons" in note and "4,680 made" in note for note in found.notes)


def test_the_two_scenarios_are_those_of_a_plain_loop(hard: Identities) -> None:
    probes, enrolled = hard.probe, hard.enrolment
    keys = draw_user_keys(enrolled.identities, np.random.default_rng(3))
    templates = HASH.enroll(enrolled.images, keys)
    secret, stolen = (
        compare_probes(HASH, probes, enrolled, keys, scenario) for scenario in ("own_token", "stolen_token")
    )
    for i in range(0, len(probes), 17):
        own = keys[enrolled.identities == probes.identities[i]]
        for j in range(len(enrolled)):
            mine = HASH.enroll(probes.images[i : i + 1], own)
            theirs = HASH.enroll(probes.images[i : i + 1], keys[j : j + 1])
            assert secret[i, j] == pytest.approx((mine == templates[j]).mean(), abs=0.011)
            assert stolen[i, j] == pytest.approx((theirs == templates[j]).mean(), abs=0.011)


def test_a_secret_key_helps_and_a_stolen_one_does_not() -> None:
    data = made(0.4)
    found, plain = verified(HASH, data).metrics, verified(RAW, data).metrics
    assert 0.01 < plain["eer_own_token"].value < 0.2
    assert found["eer_own_token"].value < found["eer_stolen_token"].value
    assert found["eer_stolen_token"].value > 0.8 * plain["eer_own_token"].value
    assert found["rank1_own_token"].value > found["rank1_stolen_token"].value
    assert plain["eer_own_token"].value == plain["eer_stolen_token"].value


def test_the_figures_say_what_the_metrics_say(hard: Identities) -> None:
    found = verified(HASH, hard)
    errors, matches = found.figures
    for curve, name in zip(matches.curves, ("own_token", "stolen_token"), strict=True):
        assert curve.y[0] == found.metrics[f"rank1_{name}"].value
        assert list(curve.y) == sorted(curve.y)
    keys = draw_user_keys(hard.enrolment.identities, np.random.default_rng(np.random.SeedSequence(0)))
    matrix = compare_probes(HASH, hard.probe, hard.enrolment, keys, "stolen_token")
    comparisons = Comparisons.of_all(matrix, hard.probe.identities, hard.enrolment.identities)
    rates = error_rates(comparisons.scores, comparisons.mated)
    assert found.metrics["eer_stolen_token"].value == equal_error_rate(rates)
    points = set(zip(rates.fmr.tolist(), rates.fnmr.tolist(), strict=True))
    assert set(zip(errors.curves[1].x, errors.curves[1].y, strict=True)) <= points
    assert min(errors.curves[1].x) > 0  # the axis is logarithmic


def test_another_seed_draws_other_keys_and_the_same_one_the_same(hard: Identities) -> None:
    one, same = verified(HASH, hard), verified(HASH, hard)
    assert one.metrics == same.metrics
    other = Verification(repeats=40).examine(HASH, hard, Accelerator("cpu"), np.random.SeedSequence(1))
    assert other.metrics["eer_stolen_token"].value != one.metrics["eer_stolen_token"].value


def with_twins(data: Identities, likeness: float) -> Identities:
    """Each person's twin is the mean of their own pattern and a stranger's, weighted by the likeness."""
    people, numbers = np.repeat(np.arange(PEOPLE), 2), np.tile(np.arange(2), PEOPLE)
    own, stranger = part(people, numbers + 100, 0.4), part(people + 5000, numbers, 0.4)
    images = likeness * own.samples + (1 - likeness) * stranger.samples
    return replace(data, twins=replace(own, samples=images.astype(np.float32)))


@pytest.mark.parametrize("scheme", [RAW, HASH], ids=["raw", "biohash"])
def test_twins_are_compared_as_a_plain_loop_does(scheme: TemplateScheme) -> None:
    data = with_twins(made(0.4), 0.6)
    assert data.twins is not None
    found = verified(scheme, data)
    keys = draw_user_keys(data.enrolment.identities, np.random.default_rng(np.random.SeedSequence(0)))
    matrix = compare_probes(scheme, data.probe, data.enrolment, keys, "stolen_token")
    same = data.probe.identities[:, None] == data.enrolment.identities
    scores = []
    for sample, identity in zip(data.twins.samples, data.twins.identities, strict=True):
        (row,) = np.flatnonzero(data.enrolment.identities == identity)
        template = scheme.enroll(data.enrolment.samples[row : row + 1], keys[row : row + 1])
        scores.append(float(scheme.compare(scheme.enroll(sample[None], keys[row : row + 1]), template)[0]))
    is_own = np.r_[np.ones(same.sum()), np.zeros(len(scores))]
    area = found.metrics["twin_auroc"]
    assert area.value == pytest.approx(roc_auc_score(is_own, np.r_[matrix[same], scores]), abs=1e-3)
    assert area.low < area.value < area.high
    rates = error_rates(matrix.ravel(), same.ravel())
    threshold = rates.thresholds[np.flatnonzero(rates.fmr <= 0.01)[0]]
    assert found.metrics["twin_accepted_at_0.01"].value == pytest.approx(np.mean(scores >= threshold), abs=0.02)


def test_the_same_finger_is_no_twin_and_a_stranger_is_told_apart() -> None:
    data = made(0.4)
    same, stranger = (verified(RAW, with_twins(data, likeness)).metrics for likeness in (1.0, 0.0))
    assert same["twin_auroc"].low < 0.5 < same["twin_auroc"].high
    assert stranger["twin_auroc"].value > 0.97
    assert stranger["twin_accepted_at_0.01"].low < 0.02
    assert not any(name.startswith("twin") for name in verified(RAW, data).metrics)


def test_twins_leave_the_other_rates_as_they_are() -> None:
    data = made(0.4)
    plain, found = verified(RAW, data).metrics, verified(RAW, with_twins(data, 0.5)).metrics
    assert {name: found[name] for name in plain} == plain


def test_what_has_no_key_is_linked_and_what_has_a_new_one_is_not(easy: Identities) -> None:
    plain, hashed = unlinked(RAW, easy), unlinked(HASH, easy)
    assert plain.metrics["d_sys"].value > 0.98
    assert plain.metrics["maximal_linkability"].value > 0.98
    assert plain.metrics["old_matches_new"].value == 1
    assert any("cannot be renewed" in note for note in plain.notes)
    assert hashed.metrics["d_sys"].low == 0
    assert hashed.metrics["d_sys"].value < 0.1
    assert hashed.metrics["old_matches_new"].value < 0.1


def test_renewal_keeps_the_accuracy(hard: Identities) -> None:
    found = unlinked(HASH, hard).metrics
    before, after = found["eer_before"], found["eer_after"]
    assert before.value != after.value
    assert after.low <= before.value <= after.high
    assert before.low <= after.value <= before.high
