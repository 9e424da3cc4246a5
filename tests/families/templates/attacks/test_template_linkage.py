"""Linkage: open templates and reused keys are linked, fresh keys and noise are not, and a learner sees what a score
does not.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.templates.attacks.known_keys import FeatureEstimates
from veilbench.families.templates.attacks.linkage import TemplateLinkage, _split_impressions
from veilbench.families.templates.attacks.template_features import features_under_key
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme, cosine_similarity
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.metrics.anomaly import Ranking

PIXELS, PCA = ImageExtractor("pixels", None), ImageExtractor("pixels", 20)
THREAT = ThreatModel(auxiliary_data=True, own_keys=True)
KNOWN = ThreatModel(auxiliary_data=True, own_keys=True, key=True)


class Flipped(TemplateScheme):
    """The key turns the sign of everything, so that likeness is 1 or -1 for one person; its size gives people away."""

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(features * (2 * rng.integers(2) - 1), np.float32)


def attack(threat: ThreatModel = THREAT, **settings: Any) -> TemplateLinkage:
    return TemplateLinkage(threat, RawTemplate(PIXELS), NoiseTemplate(PIXELS), **settings)


def run(tried: TemplateLinkage, scheme: TemplateScheme, people: Identities, seed: int = 1) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    return tried.run(fitted, people, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def test_open_templates_are_linked_with_both_controls_passed(people: Identities, tmp_path: Path) -> None:
    scheme = RawTemplate(PCA).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, RawTemplate)
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(1)
    found = attack().examine(scheme, people, Accelerator("cpu"), seeds, memory)
    assert [(c.kind, c.passed) for c in found.controls] == [("positive", True), ("negative", True)]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["d_sys_comparison"].value > 0.7


def test_a_key_of_ones_own_is_linked_where_it_is_used_twice(people: Identities) -> None:
    fresh, reused = (run(attack(reuse=reuse), RandomProjection(PCA, 20), people) for reuse in ("none", "person"))
    assert fresh.gain is not None
    assert reused.gain is not None
    assert fresh.gain.low <= 0
    assert fresh.metrics["d_sys_comparison"].low < 0.1
    assert reused.gain.value > 0.95


def test_keys_that_are_known_link_as_well_as_the_features_do(people: Identities, tmp_path: Path) -> None:
    known = TemplateLinkage(KNOWN, RandomProjection(PCA, 20), NoiseTemplate(PIXELS), learners=["linear"])
    scheme = IomGrp(PCA, 60, 8).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, TemplateScheme)
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(1)
    found = known.examine(scheme, people, Accelerator("cpu"), seeds, memory)
    assert [(c.kind, c.passed) for c in found.controls] == [("positive", True), ("negative", True)]
    unknown, features = (
        run(attack(learners=["linear"]), one, people) for one in (IomGrp(PCA, 60, 8), RawTemplate(PCA))
    )
    areas = [one.metrics["auroc_comparison"].value for one in (unknown, found, features)]
    assert areas[0] < 0.65
    assert areas[1] > areas[2] - 0.05
    assert found.title == "Linkage of templates (two keys, known)"


def test_without_a_key_it_makes_no_difference_to_know_the_keys(people: Identities) -> None:
    granted, not_granted = (run(attack(threat), RawTemplate(PCA), people) for threat in (KNOWN, THREAT))
    assert granted.metrics == not_granted.metrics


def test_estimates_of_ones_own_people_are_no_better_than_those_of_strangers(people: Identities) -> None:
    """The regression would otherwise reproduce the rows that it was fitted to."""
    scheme = IomGrp(PCA, 60, 8).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, TemplateScheme)
    own, strangers = people.auxiliary, people.probe
    estimates = FeatureEstimates(scheme, own, np.random.default_rng(0))
    errors = []
    for seen in (own, strangers):
        keys = draw_user_keys(seen.identities, np.random.default_rng(1))
        guesses = estimates.estimate(scheme.enroll(seen.samples, keys), keys, seen.identities)
        errors.append(1 - cosine_similarity(guesses, scheme.features(seen.samples)).mean())
    assert errors[0] > 0.8 * errors[1]


def test_estimates_are_those_of_a_regression_for_each_key(people: Identities) -> None:
    scheme = RandomProjection(PCA, 8).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, TemplateScheme)
    own, rng = people.auxiliary, np.random.default_rng(0)
    keys = np.array([3, 5, 3], np.uint64)
    victims = people.probe.subset(np.arange(3))
    templates = scheme.enroll(victims.samples, keys)
    found = FeatureEstimates(scheme, own, rng).estimate(templates, keys, victims.identities)
    features = scheme.features(own.samples[np.random.default_rng(0).permutation(len(own))])
    for i in range(3):
        wanted = features_under_key(scheme, keys[i], features, templates[i : i + 1])
        assert found[i] == pytest.approx(wanted[0], abs=1e-5)


def test_a_learner_sees_what_the_comparison_does_not(people: Identities) -> None:
    found = run(attack(), Flipped(PCA), people)
    assert found.metrics["auroc_comparison"].value < 0.75
    assert found.metrics["auroc_mlp"].value > found.metrics["auroc_comparison"].value + 0.1


def test_whole_numbers_are_read_by_likeness(people: Identities) -> None:
    found = run(attack(reuse="person"), IomGrp(PCA, 60, 8), people)
    assert found.metrics["auroc_linear"].value > 0.75


def test_the_area_is_that_of_scikit_learn_with_ties_and_weights() -> None:
    rng = np.random.default_rng(0)
    scores, mated, weights = rng.integers(0, 6, 80) / 5, rng.random(80) < 0.3, rng.integers(0, 3, 80).astype(float)
    wanted = roc_auc_score(mated, scores, sample_weight=weights)
    assert Ranking(scores, mated).auroc(weights) == pytest.approx(wanted)


def test_the_same_seed_gives_the_same_findings(people: Identities) -> None:
    one, again, other = (run(attack(), RandomProjection(PCA, 8), people, seed).as_dict() for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_single_impressions_cannot_be_linked(people: Identities) -> None:
    first = people.auxiliary.subset(people.auxiliary.impressions == 0)
    lonely = Identities(people.train, first, people.enrolment, people.probe, people.labels, [])
    with pytest.raises(UserError, match="needs auxiliary identities with two impressions"):
        run(attack(), RawTemplate(PCA), lonely)


@pytest.mark.parametrize("flag", ["ciphertext", "auxiliary_data", "own_keys"])
def test_what_is_not_granted_is_refused(people: Identities, flag: str) -> None:
    granted = {"ciphertext": True, "auxiliary_data": True, "own_keys": True} | {flag: False}
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        run(attack(ThreatModel(**granted)), RawTemplate(PCA), people)


def test_too_few_held_out_people_are_told(people: Identities) -> None:
    few = people.auxiliary.subset(people.auxiliary.identities < np.unique(people.auxiliary.identities)[4])
    with pytest.raises(UserError, match="and 1 is held out"):
        run(attack(), RawTemplate(PCA), replace(people, auxiliary=few))


def test_each_impression_is_in_one_of_the_two_databases(people: Identities) -> None:
    first, second = _split_impressions(people.auxiliary, np.random.default_rng(3))
    seen = [{*zip(part.identities.tolist(), part.impressions.tolist(), strict=True)} for part in (first, second)]
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) == len(people.auxiliary)
    for who in np.unique(people.auxiliary.identities):  # five impressions each
        assert ((first.identities == who).sum(), (second.identities == who).sum()) == (3, 2)


def test_intervals_say_their_confidence_and_the_gain_is_twice_the_area_above_chance(people: Identities) -> None:
    found = run(attack(), RandomProjection(PCA, 20), people)
    areas = {kind: found.metrics[f"auroc_{kind}"] for kind in ("comparison", "linear", "mlp")}
    assert {area.interval for area in areas.values()} == {"bootstrap over identities, 95 %"}
    assert all(area.low < area.value < area.high for area in areas.values())
    gain, best = found.gain, next(kind for kind in areas if f"the linker {kind}" in found.notes[0])
    assert gain is not None
    assert gain.interval == "bootstrap over identities, 99 %"
    assert gain.value == pytest.approx(2 * areas[best].value - 1)
