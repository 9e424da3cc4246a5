"""The oracle: answers lead into open systems faster than chance does, and nowhere where they say nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.attack_methods.hashed_noise import hash_to_noise
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.templates.attacks import oracle_paths
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.oracle import TemplateOracle
from veilbench.families.templates.attacks.oracle_search import EvolutionSearch, Subspace, evolution_strategy
from veilbench.families.templates.attacks.query_counter import Queries, QueryCounter, present_dictionary
from veilbench.families.templates.attacks.recombination import OracleSearches, RecombinationSearch
from veilbench.families.templates.attacks.system import enrol_victims
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.pca_template import PcaTemplate
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

PCA = ImageExtractor("pixels", 20)
THREAT = ThreatModel(auxiliary_data=True, score_queries=True, decision_queries=True)
POINT = OperatingPoint([0.01], 0.01, 60)


def attack(
    threat: ThreatModel = THREAT,
    answers: Any = "scores",
    queries: int = 60,
    population: int = 10,
    point: OperatingPoint = POINT,
) -> TemplateOracle:
    controls, limits = (PcaTemplate(PCA), NoiseTemplate(PCA)), Queries(queries, [1, 10, queries])
    searches = OracleSearches(EvolutionSearch(population, 20), RecombinationSearch(population))
    return TemplateOracle(threat, *controls, answers, limits, searches, point)


def run(tried: TemplateOracle, scheme: TemplateScheme, people: Identities, seed: int = 1) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    return tried.run(fitted, people, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def test_scores_lead_in_with_both_controls_passed(people: Identities, tmp_path: Path) -> None:
    fitted = RandomProjection(PCA, 20).fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(2)
    strict = OperatingPoint([0.005], 0.005, 60)
    found = attack(queries=70, population=6, point=strict).examine(fitted, people, Accelerator("cpu"), seeds, memory)
    paths = {(control.kind, control.path): control.passed for control in found.controls}
    positive = [("positive", path) for path in ("evolution", "recombination", "open features")]
    assert list(paths) == [*positive, ("negative", "")]
    assert paths[("positive", "evolution")]
    assert paths[("positive", "open features")]
    assert paths[("negative", "")]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["chance"].value == pytest.approx(1 - 0.995**70)
    by_scores, listed, chance = found.figures[0].curves
    assert list(by_scores.y) == sorted(by_scores.y)
    assert by_scores.y[-1] == found.metrics["accepted"].value
    assert listed.y[-1] == found.metrics["accepted_by_dictionary"].value
    assert chance.y[0] == pytest.approx(0.005)
    assert [shown.title for shown in found.pictures] == ["Enrolled impressions and the attack's last images"]


def test_the_control_on_open_features_is_shared_by_methods_with_the_same_features(
    people: Identities, tmp_path: Path
) -> None:
    tried, strict = attack(queries=20, population=4), np.random.SeedSequence(2)

    def count_controls(scheme: TemplateScheme) -> int:
        fitted = scheme.fit(people, np.random.default_rng(0))
        tried.examine(fitted, people, Accelerator("cpu"), strict, ControlMemory(tmp_path, "key"))
        return len(list(tmp_path.glob("*open_features*")))

    assert [count_controls(RandomProjection(PCA, 20)), count_controls(Biohash(PCA, 20))] == [1, 1]
    assert count_controls(Biohash(ImageExtractor("pixels", 12), 12)) == 2


def test_open_features_are_not_attacked_twice(people: Identities, tmp_path: Path) -> None:
    fitted = RawTemplate(PCA).fit(people, np.random.default_rng(0))
    memory, seeds = ControlMemory(tmp_path, "key"), np.random.SeedSequence(2)
    found = attack(queries=20, population=4).examine(fitted, people, Accelerator("cpu"), seeds, memory)
    (opened,) = [control for control in found.controls if control.path == "open features"]
    assert opened.gain == found.gain
    assert not list(tmp_path.glob("*open_features*"))
    assert "The control on open features is the attack itself: it cannot tell the two apart." in found.notes


class Hashed(ImageExtractor):
    """Features that no search leads into: any change of an image changes all of them."""

    def fit(self, images: np.ndarray, rng: np.random.Generator) -> Hashed:
        return self

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return hash_to_noise(b"", images, 20)

    def lacks(self) -> dict[str, str]:
        return {"gradients": "a hash has none"}


def test_features_that_the_search_does_not_lead_into_are_named(people: Identities, tmp_path: Path) -> None:
    fitted = RandomProjection(Hashed(), 20).fit(people, np.random.default_rng(0))
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(2)
    found = attack(queries=20, population=4).examine(fitted, people, Accelerator("cpu"), seeds, memory)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the positive control of the path open features, OpenFeatures, failed" in found.reason


def test_decisions_get_nobody_in_faster_but_improve_what_got_in(people: Identities) -> None:
    told, scored = (
        run(attack(answers=answers, queries=300), PcaTemplate(PCA), people) for answers in ("decisions", "scores")
    )
    assert told.budget is not None
    assert scored.budget is not None
    assert told.budget.gains[2] < scored.budget.gains[2]  # after half of the queries
    assert told.metrics["accepted"].value >= told.metrics["accepted_by_dictionary"].value - 0.3
    assert told.metrics["accepted_at_0.01_last_image"].value > 0


def test_queries_are_counted_one_by_one(people: Identities) -> None:
    scheme = PcaTemplate(PCA).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, PcaTemplate)
    system = enrol_victims(scheme, people, replace(POINT, most_victims=5), np.random.default_rng(0))
    counter, own = QueryCounter(system), system.victims.images[:, None]
    grey = np.full_like(own, 0.5)
    assert counter.decide(np.concatenate([grey, 1 - own], 1)).sum() == 0
    assert not np.isfinite(counter.first).any()
    np.testing.assert_array_equal(counter.decide(np.concatenate([grey, own, own], 1)), [[0, 1, 1]] * 5)
    np.testing.assert_array_equal(counter.first, 4)
    assert counter.count == 5
    np.testing.assert_array_equal(counter.score(own)[:, 0], system.score(own[:, 0]))
    np.testing.assert_array_equal(counter.first, 4)


def test_the_strategy_climbs_and_stays_where_answers_say_nothing(people: Identities) -> None:
    space = Subspace.fit(people.auxiliary.images, 10)
    wanted = np.random.default_rng(3).standard_normal((4, 10)).astype(np.float32) / 2
    target = space.images(wanted)
    np.testing.assert_allclose(space.coordinates(target), wanted, atol=0.05)
    assert space.coordinates(people.auxiliary.images).std(0) == pytest.approx(1, abs=1e-3)

    def nearness(images: np.ndarray) -> np.ndarray:
        return np.asarray(-((images - target[:, None]) ** 2).sum((2, 3, 4)))

    start, rng = np.zeros((4, 10), np.float32), np.random.default_rng(0)
    made = evolution_strategy(nearness, space, start, 2000, 20, rng)
    assert np.abs(made - wanted).max() < 0.1
    still = evolution_strategy(lambda images: np.zeros(images.shape[:2]), space, start, 200, 20, rng)
    np.testing.assert_array_equal(still, start)


def test_the_same_seed_gives_the_same_findings(people: Identities) -> None:
    one, again, other = (run(attack(), PcaTemplate(PCA), people, seed).as_dict() for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("answers", "flag"), [("scores", "score_queries"), ("decisions", "decision_queries"), ("scores", "auxiliary_data")]
)
def test_what_is_not_granted_is_refused(people: Identities, answers: str, flag: str) -> None:
    granted = {"auxiliary_data": True, "score_queries": True, "decision_queries": True} | {flag: False}
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        run(attack(ThreatModel(**granted), answers=answers), PcaTemplate(PCA), people)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"population": 5}, "population=5 must be even"),
        ({"queries": 8}, "evolution.population=10 must be at most queries.most=8"),
    ],
)
def test_a_bad_value_is_named(settings: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        attack(**settings)


@pytest.mark.parametrize(
    ("answers", "path", "queries"),
    [
        ("scores", "recombination", 61),
        ("scores", "evolution", 61),
        ("decisions", "evolution", 61),
        ("scores", "recombination", 10),
    ],
)
def test_no_path_exceeds_the_budget(people: Identities, answers: str, path: str, queries: int) -> None:
    """Queries are counted where features are computed, not by the counter under test."""
    scheme = PcaTemplate(PCA).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, PcaTemplate)
    system = enrol_victims(scheme, people, replace(POINT, most_victims=5), np.random.default_rng(0))
    asked: list[int] = []
    protect = scheme.protect
    scheme.protect = lambda *a: asked.append(len(a[0])) or protect(*a)  # type: ignore[assignment,func-returns-value]
    own = people.auxiliary.images
    counter, images = attack(answers=answers, queries=queries).paths.take(path, system, own, np.random.default_rng(1))
    assert sum(asked) == 5 * counter.count
    assert queries - 10 < counter.count <= queries
    np.testing.assert_array_equal(images.shape, system.victims.images.shape)


def test_the_path_is_chosen_on_people_of_the_attacker(people: Identities, monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled: list[np.ndarray] = []
    used: list[np.ndarray] = []
    take = oracle_paths.OraclePaths.take

    def watched(self: Any, path: str, system: Any, own: np.ndarray, rng: Any) -> Any:
        enrolled.append(system.victims.images)
        used.append(own)
        return take(self, path, system, own, rng)

    scheme = PcaTemplate(PCA).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, PcaTemplate)
    system = enrol_victims(scheme, people, POINT, np.random.default_rng(0))
    monkeypatch.setattr(oracle_paths.OraclePaths, "take", watched)
    assert attack().paths.choose(system, people.auxiliary, np.random.default_rng(1)) in ("evolution", "recombination")
    known = {image.tobytes() for image in people.auxiliary.images}
    for victims, own in zip(enrolled, used, strict=True):
        theirs, listed = ({image.tobytes() for image in images} for images in (victims, own))
        assert theirs < known
        assert listed < known
        assert not theirs & listed
    assert len(enrolled) == 2


def quilts(first: int, n: int, each: int) -> Impressions:
    """Images of n people, of 4 x 4 cells that say nothing about each other."""
    who, numbers = np.repeat(np.arange(n), each) + first, np.tile(np.arange(each), n)
    cells = [np.random.default_rng([7, one]).standard_normal((4, 4)) for one in who]
    noise = [np.random.default_rng([8, a, b]).standard_normal((4, 4)) for a, b in zip(who, numbers, strict=True)]
    images = 0.5 + 0.1 * np.kron(np.stack(cells) + 0.6 * np.stack(noise), np.ones((1, 4, 4)))
    return Impressions(np.clip(images, 0, 1)[:, None].astype(np.float32), who, numbers, {})


@pytest.mark.parametrize(("scheme", "informative"), [(RawTemplate, True), (NoiseTemplate, False)])
def test_recombination_leads_in_where_scores_say_something_about_regions(scheme: Any, informative: bool) -> None:
    """The positive and the negative control of the path."""
    test = quilts(2000, 40, 4)
    parts = quilts(0, 40, 4), quilts(1000, 30, 5), test.subset(test.impressions == 0), test.subset(test.impressions > 0)
    people = Identities(*parts, {}, [])
    fitted = scheme(ImageExtractor("pixels", None)).fit(people, np.random.default_rng(0))
    strict = OperatingPoint([0.005], 0.005, 60)
    system = enrol_victims(fitted, people, strict, np.random.default_rng(1))
    own = people.auxiliary.images[np.random.default_rng(2).permutation(150)]
    tried = attack(queries=100, population=6, point=strict)
    counter, _ = tried.paths.take("recombination", system, own, np.random.default_rng(3))
    dictionary = QueryCounter(system)
    present_dictionary(dictionary, own[:100], 10)
    low, high = (dictionary.share_within(100).value + 0.3, 1.0) if informative else (0.15, 0.65)  # chance is 0.39
    assert low <= counter.share_within(100).value <= high


@pytest.mark.parametrize("better", ["evolution", "recombination"])
def test_the_path_that_reaches_higher_scores_is_chosen(
    people: Identities, monkeypatch: pytest.MonkeyPatch, better: str
) -> None:
    scheme = PcaTemplate(PCA).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, PcaTemplate)
    system = enrol_victims(scheme, people, POINT, np.random.default_rng(0))

    def planned(self: Any, path: str, system: Any, own: np.ndarray, rng: Any) -> Any:
        counter = QueryCounter(system)
        counter.highest[:] = path == better
        return counter, system.victims.images

    monkeypatch.setattr(oracle_paths.OraclePaths, "take", planned)
    assert attack().paths.choose(system, people.auxiliary, np.random.default_rng(1)) == better
    assert attack(answers="decisions").paths.choose(system, people.auxiliary, np.random.default_rng(1)) == "evolution"


@pytest.mark.parametrize(("answers", "left"), [("scores", 44), ("decisions", 29)])
def test_the_dictionary_takes_a_part_of_the_queries_and_the_final_image_one(
    people: Identities, monkeypatch: pytest.MonkeyPatch, answers: str, left: int
) -> None:
    asked: list[int] = []

    def watched(ask: Any, space: Subspace, start: np.ndarray, queries: int, population: int, rng: Any) -> np.ndarray:
        asked.append(queries)
        return evolution_strategy(ask, space, start, queries, population, rng)

    monkeypatch.setattr(oracle_paths, "evolution_strategy", watched)
    scheme = PcaTemplate(PCA).fit(people, np.random.default_rng(0))
    found, tried = Findings(""), attack(answers=answers)
    tried.attack(found, scheme, people, Accelerator("cpu"), np.random.default_rng(1), control=False, path="evolution")
    assert asked == [left]
    by_decisions, by_dictionary, _ = found.figures[0].curves
    early = [place for place, limit in enumerate(by_decisions.x) if limit < 60 - left]
    if answers == "decisions":  # up to there the two are the same
        assert [by_decisions.y[place] for place in early] == [by_dictionary.y[place] for place in early]


def test_the_gain_is_over_chance(people: Identities) -> None:
    """18 of 40 victims is what blind guesses reach: that is no gain."""
    scheme = PcaTemplate(PCA).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, PcaTemplate)
    system = enrol_victims(scheme, people, replace(POINT, most_victims=40), np.random.default_rng(0))
    hill_climbing, by_dictionary = QueryCounter(system), QueryCounter(system)
    hill_climbing.first[:18], hill_climbing.highest[:18] = 5, system.threshold
    found = Findings("")
    attack()._find_gain(found, hill_climbing)
    attack()._report(found, system, system.victims.images, hill_climbing, by_dictionary, np.random.default_rng(0))
    assert found.metrics["accepted"].value == 18 / 40
    assert found.gain is not None
    assert found.gain.value == pytest.approx((0.45 - (1 - 0.99**60)) / 0.99**60)
    assert found.budget is not None
    assert (list(found.budget.budgets), list(found.budget.gains)) == ([7, 15, 30, 60], [0.45] * 4)


def test_the_last_image_is_presented_too(people: Identities) -> None:
    """A search whose last image alone is accepted has succeeded, with its last query."""
    found = run(attack(queries=300), PcaTemplate(PCA), people)
    assert found.metrics["accepted"].value >= found.metrics["accepted_at_0.01_last_image"].value > 0.3


def test_many_queries_at_a_lenient_rate_decide_nothing(people: Identities, tmp_path: Path) -> None:
    fitted = RandomProjection(PCA, 20).fit(people, np.random.default_rng(0))
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(2)
    lenient = OperatingPoint([0.05], 0.05, 60)
    found = attack(point=lenient).examine(fitted, people, Accelerator("cpu"), seeds, memory)
    assert found.verdict is Verdict.INCONCLUSIVE
    said = "Oracle (scores): nothing can be decided, because queries.most=60 at operating_point.reference_fmr leaves"
    assert found.reason.startswith(said + " a chance of 0.954")
