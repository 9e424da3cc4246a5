"""The server's classifier and the distances: on templates whose answers are known, beside independent references."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.bench.findings import Findings
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.distance_preservation import (
    DistancePreservation,
    rank_correlation,
    weighted_correlation,
)
from veilbench.families.templates.evaluations.identification_classifier import (
    IdentificationClassifier,
    count_earlier_rows,
    make_classifier,
    scale_rows,
    split_people,
)
from veilbench.families.templates.schemes.base import BinaryScheme, TemplateScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.metrics.intervals import proportion
from veilbench.workflow.compose import composed, plain

PIXELS = ImageExtractor("pixels", None)


class Noise(TemplateScheme):
    keyed = False

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        own = np.random.default_rng(np.frombuffer(features.tobytes(), np.uint8))
        return own.standard_normal((len(features), 64), np.float32)


class KeyAlone(TemplateScheme):
    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.tile(rng.standard_normal(16, np.float32), (len(features), 1))


class Constant(BinaryScheme):
    keyed = False

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.ones((len(features), 8), np.uint8)


def part(first: int, people: int, each: int, noise: float) -> Impressions:
    who = np.repeat(np.arange(first, first + people), each)
    patterns = np.random.default_rng(first).random((people, 1, 14, 14))
    seen = patterns[who - first] + noise * np.random.default_rng(first + 1).standard_normal((len(who), 1, 14, 14))
    return Impressions(seen.astype(np.float32), who, np.tile(np.arange(each), people), {})


def made(noise: float, people: int = 24, each: int = 6) -> Identities:
    test = part(500, people, each, noise)
    first = test.impressions == 0
    train = part(0, 20, 4, noise)
    return Identities(train, train, test.subset(first), test.subset(~first), {}, [])


def examined(
    evaluation: IdentificationClassifier | DistancePreservation, scheme: TemplateScheme, data: Identities
) -> Findings:
    return evaluation.examine(scheme, data, Accelerator("cpu"), np.random.SeedSequence(2))


SMALL = IdentificationClassifier((1, 3), (5, 20), ("logistic", "knn"))


def test_easy_people_are_told_apart_and_noise_is_not() -> None:
    data = made(0.05)
    found, noise = examined(SMALL, RawTemplate(PIXELS), data), examined(SMALL, Noise(PIXELS), data)
    names = [
        f"{name}_{c}_classes_{s}_samples" for name in ("own_token", "raw_pixels", "pca") for c, s in [(5, 1), (20, 3)]
    ]
    assert {found.metrics[name].value for name in names} == {1.0}
    chance = noise.metrics["own_token_20_classes_3_samples"]
    assert chance.low < 1.5 / 20
    assert noise.metrics["raw_pixels_20_classes_3_samples"].value == 1
    assert chance.n == 20 * 3  # one group of 20, three impressions left of each
    assert noise.metrics["own_token_5_classes_1_samples"].n == 4 * 5 * 5  # four groups of 5
    assert not any("stolen_token" in name for name in found.metrics)


def test_a_baseline_that_is_ahead_is_named_with_the_difference() -> None:
    data = made(0.05)
    found, noise = examined(SMALL, RawTemplate(PIXELS), data), examined(SMALL, Noise(PIXELS), data)
    assert not any("points behind" in note for note in found.notes)
    behind = 100 * (1 - noise.metrics["own_token_20_classes_3_samples"].value)
    said = f"The templates are {behind:.1f} points behind raw pixels: classes=20, samples=3 of each."
    assert said in noise.notes
    assert sum("points behind" in note for note in noise.notes) == 8
    keyed = examined(SMALL, KeyAlone(PIXELS), data)  # the key alone tells people apart, and templates under one do not
    assert sum("points behind" in note for note in keyed.notes) == 8


def test_the_numbers_are_those_of_a_plain_loop() -> None:
    data = made(0.6)
    found = examined(IdentificationClassifier((2,), (24,), ("knn",)), RawTemplate(PIXELS), data)
    people = np.r_[data.enrolment.identities, data.probe.identities]
    rng = np.random.default_rng(np.random.SeedSequence(2))
    rng.integers(0, 2**64, 24, dtype=np.uint64)  # the keys are drawn first, then the components
    ImageExtractor("pixels", 80).fit(data.train.images, rng)
    order = rng.permutation(len(people))
    rows = PIXELS(np.concatenate([data.enrolment.images, data.probe.images]))[order]
    seen: dict[int, int] = {}
    learned = []
    for who in people[order].tolist():
        learned.append(seen.setdefault(who, 0) < 2)
        seen[who] += 1
    chosen = np.array(learned)
    answers = KNeighborsClassifier(1).fit(rows[chosen], people[order][chosen]).predict(rows[~chosen])
    right = int((answers == people[order][~chosen]).sum())
    assert 0.1 < right / len(answers) < 0.95
    assert found.metrics["own_token_24_classes_2_samples"] == proportion(right, 24 * 4)


def test_a_key_of_ones_own_tells_people_apart_and_one_for_all_does_not() -> None:
    found = examined(IdentificationClassifier((3,), (20,), ("knn",)), KeyAlone(PIXELS), made(0.1)).metrics
    assert found["own_token_20_classes_3_samples"].value == 1
    assert found["stolen_token_20_classes_3_samples"].value == pytest.approx(1 / 20)


def test_numbers_that_are_names_are_classified_by_their_similarities() -> None:
    found = examined(IdentificationClassifier((3,), (20,), ("knn",)), IomGrp(PIXELS, 100, 8), made(0.3)).metrics
    assert found["stolen_token_20_classes_3_samples"].value > 0.9


def test_what_cannot_be_measured_is_refused_with_its_reason() -> None:
    found = examined(IdentificationClassifier((6, 1), (5, 30), ("knn",)), RawTemplate(PIXELS), made(0.1))
    assert any("30 classes need 30 people; the test has 24" in note for note in found.notes)
    assert any("6 samples of each need 7 impressions; a test person has 6" in note for note in found.notes)
    assert [row[1:3] for row in found.tables[0].rows] == [[5, 1]] * 3


def test_the_span_of_the_training_rows_is_all_that_classifiers_see() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 5)
    centres = rng.normal(size=(4, 60))
    train, test = (centres[labels] + rng.normal(0, 1.5, (20, 60)) for _ in range(2))
    small = scale_rows(train, test)
    assert small[0].shape == (20, 20)
    mean = train.mean(0)
    scale = 10 / np.sqrt(((train - mean) ** 2).sum(1).mean())
    wide = (train - mean) * scale, (test - mean) * scale
    for kind in (LogisticRegression(max_iter=2000, tol=1e-8), KNeighborsClassifier(1)):
        own, other = (kind.fit(rows[0], labels).predict(rows[1]) for rows in (small, wide))
        np.testing.assert_array_equal(own, other)
        assert (own != labels).any()  # it is not too easy to differ


@pytest.mark.parametrize("kind", ["logistic", "knn", "mlp"])
def test_each_classifier_learns_and_its_seed_decides(kind: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 10)
    rows = 3 * np.eye(3)[labels] + rng.normal(0, 1, (30, 3))
    one, same = (make_classifier(kind, 16, np.random.default_rng(1)).fit(rows, labels).predict(rows) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert (one == labels).mean() > 0.9


def test_groups_are_disjoint_and_places_count_within_a_person() -> None:
    groups = split_people(np.repeat(np.arange(11), 2), 4, np.random.default_rng(0))
    assert [len(group) for group in groups] == [4, 4]
    assert len(np.unique(np.concatenate(groups))) == 8
    assert count_earlier_rows(np.array([3, 1, 3, 3, 1])).tolist() == [0, 0, 1, 2, 1]


def test_distances_that_are_kept_and_distances_that_are_not() -> None:
    data = made(0.3)
    raw, noise = (
        examined(DistancePreservation(), RawTemplate(PIXELS), data),
        examined(DistancePreservation(), Noise(PIXELS), data),
    )
    assert raw.metrics["rank_correlation_pixels_all"].value == pytest.approx(1)
    zero = noise.metrics["rank_correlation_pixels_strangers"]
    assert zero.low < 0 < zero.high
    assert raw.metrics["rank_correlation_orientation_all"].low > 0
    assert raw.metrics["collisions"].value == 0
    assert raw.metrics["pairs_of_strangers"].value == 144 * 143 / 2 - 24 * 15
    assert noise.metrics["effective_bits"].value == pytest.approx(64, rel=0.2)  # as many independent numbers
    assert raw.metrics["nearest_stranger"].value > noise.metrics["nearest_stranger"].value - 1


def test_a_constant_template_collides_always() -> None:
    found = examined(DistancePreservation(), Constant(PIXELS), made(0.3))
    assert found.metrics["collisions"].value == found.metrics["pairs_of_strangers"].value
    assert found.metrics["rank_correlation_pixels_all"].value == 0
    assert found.metrics["nearest_stranger"].value == 1
    assert "effective_bits" not in found.metrics
    assert any("no effective bits" in note for note in found.notes)


def test_the_correlation_is_spearmans_and_weights_are_repetitions() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(10), 2)
    pairs = np.triu_indices(20, 1)
    x = rng.normal(size=190)
    y = np.round(x + rng.normal(size=190))  # with ties
    metric = rank_correlation(x, y, pairs, people, rng, 50)
    assert metric.value == pytest.approx(spearmanr(x, y)[0])
    assert metric.low < metric.value < metric.high
    times = rng.integers(0, 4, 190)
    repeated = np.corrcoef(np.repeat(x, times), np.repeat(y, times))[0, 1]
    assert weighted_correlation(np.stack([x, y]), times.astype(float)) == pytest.approx(repeated)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("identification_classifier", IdentificationClassifier), ("distance_preservation", DistancePreservation)],
)
def test_the_resolved_settings_are_the_defaults(name: str, kind: type) -> None:
    node = plain(composed(["data=prints_small", "model=raw_template", "training=none", f"evaluation=[{name}]"]))[
        "evaluation"
    ][name]
    assert isinstance(build(node), kind)
    written = {key: tuple(value) if isinstance(value, list) else value for key, value in node.items()}
    assert {key: p.default for key, p in inspect.signature(kind).parameters.items()} == {
        key: value for key, value in written.items() if key != "_target_"
    }
