"""Stolen keys: what is determined comes back exactly, and what is not is accepted all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.templates.attacks.nonlinear_preimages import find_cosine_preimage, find_likely_preimage
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.preimages import find_preimage
from veilbench.families.templates.attacks.prior import Prior
from veilbench.families.templates.attacks.stolen_key import TemplateStolenKey
from veilbench.families.templates.attacks.system import disclose_features, enrol_victims
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.iom_urp import IomUrp
from veilbench.families.templates.schemes.lattice_fuzzy_extractor import LatticeFuzzyExtractor
from veilbench.families.templates.schemes.mlp_hash import MlpHash
from veilbench.families.templates.schemes.polyprotect import Polyprotect
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.schemes.slerp_face import SlerpFace

PCA = ImageExtractor("pixels", 20)
THREAT = ThreatModel(key=True, auxiliary_data=True)
OPEN = {True: "DifferentiableOpenFeatures", False: "OpenFeatures"}  # by whether the scheme is differentiable
KEYS = np.arange(30).astype(np.uint64)


def attack(threat: ThreatModel = THREAT, **settings: Any) -> TemplateStolenKey:
    return TemplateStolenKey(threat, RandomProjection(PCA, 10), **settings)


def run(tried: TemplateStolenKey, scheme: TemplateScheme, people: Identities, seed: int = 1) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    return tried.run(fitted, people, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def solved(scheme: TemplateScheme, people: Identities) -> tuple[TemplateScheme, np.ndarray, np.ndarray, set[str]]:
    """The fitted scheme, true features, preimages and methods."""
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    truth = fitted.features(people.enrolment.images)[: len(KEYS)]
    prior = Prior(fitted.features(people.auxiliary.images))
    drawn = prior.sample(300, np.random.default_rng(1))
    templates = fitted.protect(truth, KEYS)
    pairs = zip(templates, KEYS, strict=True)
    made, methods = zip(*(find_preimage(fitted, template, key, prior, drawn) for template, key in pairs), strict=True)
    return fitted, truth, np.stack(made), set(methods)


@pytest.mark.parametrize("dimensions", [20, 30])
def test_a_projection_to_as_many_numbers_is_inverted_exactly(dimensions: int, people: Identities) -> None:
    _, truth, made, methods = solved(RandomProjection(PCA, dimensions), people)
    np.testing.assert_allclose(made, truth, atol=1e-4)
    assert methods == {"least squares"}


def test_fewer_numbers_leave_the_likeliest_features_that_fit(people: Identities) -> None:
    scheme, truth, made, _ = solved(RandomProjection(PCA, 8), people)
    np.testing.assert_allclose(scheme.protect(made, KEYS), scheme.protect(truth, KEYS), atol=1e-4)
    matrix = RandomProjection(PCA, 8).matrix(20, np.random.default_rng(int(KEYS[0])))
    plain = np.linalg.pinv(matrix.T) @ scheme.protect(truth[:1], KEYS[:1])[0]
    assert np.linalg.norm(made - truth) > 0.1
    assert np.linalg.norm(made[0] - plain) > 0.01  # the shortest ones are not the likeliest


def test_the_likeliest_features_are_those_of_the_normal_law() -> None:
    rng = np.random.default_rng(0)
    prior = Prior(rng.standard_normal((200, 5)) @ rng.standard_normal((5, 5)) + 1)
    matrix, products = rng.standard_normal((5, 2)), rng.standard_normal((1, 2))
    precision = np.linalg.inv(prior.covariance)
    kkt = np.block([[precision, matrix], [matrix.T, np.zeros((2, 2))]])
    wanted = np.linalg.solve(kkt, np.r_[precision @ prior.mean, products[0]])[:5]
    np.testing.assert_allclose(prior.posterior_mean(matrix, products)[0], wanted, atol=1e-8)
    drawn = prior.sample(50, rng)
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_all_bits_of_a_biohash_are_met(threshold: float, people: Identities) -> None:
    scheme, truth, made, methods = solved(Biohash(PCA, 20, threshold), people)
    np.testing.assert_array_equal(scheme.protect(made, KEYS), scheme.protect(truth, KEYS))
    assert methods == {"least squares of signs"}
    assert np.abs(made / np.linalg.norm(made, axis=1, keepdims=True) - truth).max() > 0.05


def test_polynomials_are_solved(people: Identities) -> None:
    scheme, truth, made, methods = solved(Polyprotect(PCA, 3, 2), people)
    met = scheme.compare(scheme.protect(made, KEYS), scheme.protect(truth, KEYS))
    assert methods == {"iteration and likeliest features"}
    assert np.median(met) > 0.9999


def test_the_features_that_solve_a_polynomial_are_the_likeliest_nearby(people: Identities) -> None:
    """At a constrained optimum the slope of the log prior is a combination of the constraints' slopes."""
    scheme = Polyprotect(PCA, 4, 1).fit(people, np.random.default_rng(0))
    prior, truth = Prior(scheme.features(people.auxiliary.images)), scheme.features(people.enrolment.images)[:5]
    for key, row, template in zip(KEYS, truth, scheme.protect(truth, KEYS[:5]), strict=False):
        made = find_likely_preimage(scheme, template, key, prior, prior.mean).astype(np.float64)
        coefficients, exponents = scheme.draw_polynomial(np.random.default_rng(int(key)))
        matrix = np.zeros((20, len(template)))
        for i in range(len(template)):
            values = [made[k] if k < 20 else 0.0 for k in range(3 * i, 3 * i + 4)]
            terms = list(zip(coefficients, exponents, values, strict=True))
            assert sum(c * v**e for c, e, v in terms) == pytest.approx(template[i], abs=2e-4)
            for j, (c, e, v) in enumerate(terms):
                if 3 * i + j < 20:
                    matrix[3 * i + j, i] += c * e * v ** (e - 1)
        slope = np.linalg.solve(prior.covariance, made - prior.mean)
        left = slope - matrix @ np.linalg.lstsq(matrix, slope, rcond=None)[0]
        assert np.linalg.norm(left) < 0.01 * np.linalg.norm(slope)
        assert np.linalg.norm(made - row) > 0.01  # seven numbers do not determine twenty features


def test_linear_equations_are_solved_in_one_round(people: Identities) -> None:
    scheme, truth, made, _ = solved(RandomProjection(PCA, 8), people)
    prior = Prior(scheme.features(people.auxiliary.images))
    assert isinstance(scheme, DifferentiableScheme)
    template = scheme.protect(truth[:1], KEYS[:1])[0]
    np.testing.assert_allclose(find_likely_preimage(scheme, template, KEYS[0], prior, truth[1]), made[0], atol=1e-4)


def test_the_cosine_of_the_template_is_maximised(people: Identities) -> None:
    scheme = Polyprotect(PCA, 5, 3).fit(people, np.random.default_rng(0))
    own, truth = scheme.features(people.auxiliary.images)[:3], scheme.features(people.enrolment.images)[:6]
    for key, template in zip(KEYS, scheme.protect(truth, KEYS[:6]), strict=False):
        made = find_cosine_preimage(scheme, template, key, own)
        tried = scheme.protect(np.vstack([made[None], own]), np.full(4, key))
        cosines = tried @ template / np.linalg.norm(tried, axis=1) / np.linalg.norm(template)
        assert cosines[0] > 0.999
        assert cosines[0] > cosines[1:].max() + 0.01


def test_the_published_inversion_is_tried_on_polynomials_alone(people: Identities) -> None:
    few = attack(operating_point=OperatingPoint(most_victims=3))
    assert "likeness_cosine" in run(few, Polyprotect(PCA, 3, 2), people).metrics
    for scheme in (Biohash(PCA, 20), RandomProjection(PCA, 8), IomGrp(PCA, 80, 8)):
        assert "likeness_cosine" not in run(few, scheme, people).metrics


def test_isr_is_what_a_system_without_protection_accepts(people: Identities) -> None:
    """The threshold by hand: the lowest score that at most one in a hundred strangers reach."""
    scheme = Polyprotect(PCA, 5, 4).fit(people, np.random.default_rng(0))
    rng = np.random.default_rng(3)
    system = enrol_victims(scheme, people, OperatingPoint(fmr=(0.01,), most_victims=30), rng)
    openly = disclose_features(system, people, rng)
    scores = scheme.features(people.probe.images) @ scheme.features(people.enrolment.images).T
    strangers = np.sort(scores[people.probe.identities[:, None] != people.enrolment.identities])[::-1]
    allowed = int(0.01 * len(strangers))
    assert strangers[allowed] < openly.thresholds[0.01] <= strangers[allowed - 1] + 1e-6
    np.testing.assert_array_equal(openly.victims.identities, system.victims.identities)
    noisy = system.victims.samples + rng.normal(0, 0.1, system.victims.samples.shape).astype(np.float32)
    features = scheme.features(noisy)
    cosines = (features * scheme.features(system.victims.samples)).sum(1)
    np.testing.assert_allclose(openly.score_features(features), cosines, atol=1e-5)
    tried = attack(operating_point=OperatingPoint(most_victims=15))
    assert run(tried, Polyprotect(PCA, 5, 4), people).metrics["isr_at_0.01_preimage"].value > 0.6


def test_rotated_groups_are_turned_back_but_for_their_lengths(people: Identities) -> None:
    scheme, truth, made, methods = solved(SlerpFace(PCA, 0.9, 0.0, 4), people)
    assert methods == {"iteration and likeliest features"}
    assert np.median(scheme.compare(scheme.protect(made, KEYS), scheme.protect(truth, KEYS))) > 0.9999

    def directions(features: np.ndarray) -> np.ndarray:
        groups = features.reshape(len(features), 4, 5)
        return groups / np.linalg.norm(groups, axis=1, keepdims=True)

    assert np.median((directions(made) * directions(truth)).sum(1)) > 0.999


def test_lattice_points_are_guessed_and_features_are_exact_then(people: Identities) -> None:
    sixteen = ImageExtractor("pixels", 16)
    scheme, truth, made, methods = solved(LatticeFuzzyExtractor(sixteen, 2.0), people)
    assert methods == {"guessed lattice points"}
    right = scheme.compare(scheme.protect(made, KEYS), scheme.protect(truth, KEYS)) == 1
    assert right.mean() > 0.4
    np.testing.assert_allclose(made[right], truth[right], atol=1e-4)
    guess = scheme.features(people.auxiliary.images)[:1].repeat(len(KEYS), 0)
    assert scheme.compare(scheme.protect(guess, KEYS), scheme.protect(truth, KEYS)).mean() < 0.5


def test_pairs_that_won_give_features_up_to_their_sign(people: Identities) -> None:
    scheme, truth, made, methods = solved(IomUrp(PCA, 200, 12, 2), people)
    assert methods == {"winning pairs"}
    np.testing.assert_array_equal(scheme.protect(-truth, KEYS), scheme.protect(truth, KEYS))
    assert np.median(np.abs((made * truth).sum(1))) > 0.8


def test_open_features_are_copied(people: Identities) -> None:
    _, truth, made, methods = solved(RawTemplate(PCA), people)
    np.testing.assert_array_equal(made, truth)
    assert methods == {"copied"}


@pytest.mark.parametrize("scheme", [IomGrp(PCA, 80, 8), MlpHash(PCA, [40], 40), Biohash(PCA, 20)])
def test_hashes_are_accepted_with_both_controls_passed(
    scheme: TemplateScheme, people: Identities, tmp_path: Path
) -> None:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(1)
    found = attack().examine(fitted, people, Accelerator("cpu"), seeds, memory)
    assert [(c.kind, c.name, c.path, c.passed) for c in found.controls] == [
        ("positive", "RandomProjection", "", True),
        ("positive", OPEN[isinstance(scheme, DifferentiableScheme)], "open features", True),
        ("negative", f"{type(scheme).__name__} with strangers' templates", "", True),
    ]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["sar_at_0.01_mean_features"].value < 0.2
    assert found.metrics["likeness_preimage"].value > 0.5


def test_the_same_seed_gives_the_same_findings(people: Identities) -> None:
    one, again, other = (run(attack(), MlpHash(PCA, [40], 40), people, seed).as_dict() for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize("flag", ["ciphertext", "key", "auxiliary_data"])
def test_what_is_not_granted_is_refused(people: Identities, flag: str) -> None:
    granted = {"ciphertext": True, "key": True, "auxiliary_data": True} | {flag: False}
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        run(attack(ThreatModel(**granted)), RawTemplate(PCA), people)
