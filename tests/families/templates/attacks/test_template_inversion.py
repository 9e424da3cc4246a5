"""Inversion of templates: open ones come back and are accepted, secret keys and constants give nothing away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.templates.attacks.decoders import Decoders, fit_decoder
from veilbench.families.templates.attacks.gradient_search import GradientSearch, total_variation
from veilbench.families.templates.attacks.inversion import TemplateInversion
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.own_prints import measure_dictionary, score_own_features
from veilbench.families.templates.attacks.principal_components import principal_components
from veilbench.families.templates.attacks.reconstructions import Reconstructions
from veilbench.families.templates.attacks.system import enrol_victims, split_auxiliary
from veilbench.families.templates.attacks.template_features import TemplateFeatures, as_vectors
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import compare_probes
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

PIXELS, PCA = ImageExtractor("pixels", None), ImageExtractor("pixels", 20)
UNKNOWN = ThreatModel(auxiliary_data=True, own_keys=True)
KNOWN = ThreatModel(auxiliary_data=True, own_keys=True, key=True)
WHITE = ThreatModel(auxiliary_data=True, own_keys=True, key=True, weights=True)


class Constant(TemplateScheme):
    """One template for everybody."""

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.ones((len(features), 3), np.float32)


SMALL = Decoders(["linear"], [20, 500], components=30, hidden=32, steps=100)


def small(
    threat: ThreatModel = UNKNOWN, decoders: Decoders = SMALL, search: GradientSearch = GradientSearch()
) -> TemplateInversion:
    return TemplateInversion(threat, RawTemplate(PIXELS), NoiseTemplate(PIXELS), decoders, search)


def run(attack: TemplateInversion, scheme: TemplateScheme, people: Identities, seed: int = 1) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    return attack.run(fitted, people, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def examined(attack: TemplateInversion, scheme: TemplateScheme, people: Identities, folder: Path) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    return attack.examine(fitted, people, Accelerator("cpu"), np.random.SeedSequence(1), ControlMemory(folder, None))


def test_open_templates_are_inverted_with_both_controls_passed(people: Identities, tmp_path: Path) -> None:
    found = examined(small(), RawTemplate(PIXELS), people, tmp_path)
    assert [(c.kind, c.name, c.path, c.passed) for c in found.controls] == [
        ("positive", "RawTemplate", "", True),
        ("positive", "DifferentiableOpenFeatures", "decoders", True),
        ("negative", "NoiseTemplate", "", True),
    ]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["sar_at_0.01"].value == found.metrics["prar_at_0.01"].value == 1
    assert found.metrics["psnr_linear"].value > found.metrics["psnr_nearest_image"].value + 3
    assert found.metrics["ssim_linear"].value > found.metrics["ssim_mean_image"].value + 0.2
    words = "enrolled impression; linear; own_prints; mean_image; nearest_image"
    assert found.pictures[0].description == f"rows from above: {words}"


def test_a_key_saves_a_projection_as_long_as_it_is_secret(people: Identities) -> None:
    secret, stolen = (run(small(threat), RandomProjection(PCA, 20), people) for threat in (UNKNOWN, KNOWN))
    assert secret.gain is not None
    assert stolen.gain is not None
    assert secret.gain.low <= 0
    assert stolen.gain.low > 0.5
    assert stolen.metrics["psnr_linear"].value > secret.metrics["psnr_linear"].value + 3
    assert abs(secret.metrics["psnr_linear"].value - secret.metrics["psnr_mean_image"].value) < 1


def test_few_numbers_are_met_under_the_old_key_rather_than_a_new_one(people: Identities) -> None:
    found = run(small(WHITE), RandomProjection(PCA, 6), people)
    assert found.metrics["sar_at_0.01_white_box"].value > found.metrics["prar_at_0.01_white_box"].value + 0.4


@pytest.mark.parametrize("scheme", [Biohash(PCA, 20), IomGrp(PCA, 60, 8)], ids=["biohash", "iom_grp"])
def test_a_known_key_is_learned_to_be_read_whatever_the_scheme(scheme: TemplateScheme, people: Identities) -> None:
    found, secret = (run(small(threat), scheme, people) for threat in (KNOWN, UNKNOWN))
    assert found.gain is not None
    assert secret.gain is not None
    assert found.gain.low > 0.1
    assert secret.gain.low <= 0


def test_what_is_read_under_a_known_key_are_the_features(people: Identities) -> None:
    scheme = RandomProjection(PCA, 20).fit(people, np.random.default_rng(0))
    features = TemplateFeatures(scheme, people.auxiliary, True, np.random.default_rng(0))
    keys = np.arange(len(people.enrolment)).astype(np.uint64) % 3
    found = features.transform(scheme.enroll(people.enrolment.images, keys), keys)
    np.testing.assert_allclose(found, scheme.features(people.enrolment.images), atol=0.01)
    np.testing.assert_allclose(features.transform_own(), scheme.features(people.auxiliary.images), atol=0.01)


def test_a_constant_template_decides_nothing(people: Identities) -> None:
    """Its scores are equal, so that it recognises nobody; see test_planted_templates.py for all attacks."""
    found = run(small(), Constant(PIXELS), people)
    assert found.gain is not None
    assert (found.gain.low, found.gain.high) == (-1, 1)


def test_the_search_by_gradients_helps_and_needs_weights_and_keys(people: Identities) -> None:
    scheme = Biohash(PCA, 20)
    white, without = (run(small(threat, replace(SMALL, sizes=[20])), scheme, people) for threat in (WHITE, KNOWN))
    assert white.metrics["sar_at_0.01_white_box"].value > without.metrics["sar_at_0.01"].value
    assert "sar_at_0.01_white_box" not in without.metrics
    secret = ThreatModel(auxiliary_data=True, own_keys=True, weights=True)
    notes = run(small(secret, replace(SMALL, sizes=[20])), scheme, people).notes
    assert "No search by gradients: it needs the victims' keys, or the system's scores." in notes


@pytest.mark.parametrize("scheme", [RandomProjection(PCA, 20), Biohash(PCA, 20)], ids=["projection", "biohash"])
def test_scores_give_away_what_a_secret_key_protects(scheme: TemplateScheme, people: Identities) -> None:
    secret = ThreatModel(auxiliary_data=True, own_keys=True, weights=True)
    asked = ThreatModel(auxiliary_data=True, own_keys=True, weights=True, score_queries=True)
    silent, open_ = (run(small(threat, search=GradientSearch(100)), scheme, people) for threat in (secret, asked))
    assert silent.gain is not None
    assert open_.gain is not None
    assert silent.gain.low <= 0
    assert open_.gain.low > 0.5
    assert "sar_at_0.01_white_box" not in open_.metrics
    few = run(small(asked, search=GradientSearch(100, surrogate_queries=10)), scheme, people)
    assert few.metrics["sar_at_0.01_surrogate"].value < open_.metrics["sar_at_0.01_surrogate"].value


def test_noise_that_answers_with_scores_is_met_by_own_prints_as_often_as_by_chance(people: Identities) -> None:
    """120 prints, each accepted at 1 %: an attacker who may try them all needs no leak, and a surrogate finds none."""
    asked = ThreatModel(auxiliary_data=True, own_keys=True, weights=True, score_queries=True)
    found = run(small(asked), NoiseTemplate(PIXELS), people).metrics
    assert found["sar_at_0.01_linear"].low <= 0.01
    assert found["any_of_own_prints"].value == pytest.approx(1 - 0.99**120)
    assert found["sar_at_0.01_own_prints"].low < found["any_of_own_prints"].value < found["sar_at_0.01_own_prints"].high


def test_more_data_helps_and_all_means_all(people: Identities) -> None:
    found = run(small(decoders=replace(SMALL, sizes=[10, 9999])), RawTemplate(PIXELS), people)
    curve = found.figures[0].curves[0]
    assert list(curve.x) == [10, 120]
    assert curve.y[0] < curve.y[1]
    assert any("120 auxiliary impressions at most, not 9999" in note for note in found.notes)


@pytest.mark.parametrize("kind", ["linear", "mlp", "convolutional"])
def test_every_decoder_learns_images_from_open_codes(kind: Any, people: Identities) -> None:
    images, held = people.auxiliary.images, people.train.images
    basis = principal_components(images.reshape(len(images), -1), 25).T
    codes, held_codes = (x.reshape(len(x), -1) @ basis for x in (images, held))
    pairs = (codes, images, held_codes, held)
    settings = Decoders([kind], components=25, hidden=64, steps=1200)
    inverse = fit_decoder(kind, pairs, settings, Accelerator("cpu"), np.random.default_rng(0)).inverse
    wrong = ((inverse(held_codes) - held) ** 2).mean() / ((held - images.mean(0)) ** 2).mean()
    assert inverse(held_codes).shape == held.shape
    assert wrong < {"linear": 0.02, "mlp": 0.4, "convolutional": 0.8}[kind]


def test_principal_directions_are_those_of_scikit_learn(people: Identities) -> None:
    from sklearn.decomposition import PCA as Reference

    flat = people.auxiliary.images.reshape(150, -1)
    mine, theirs = principal_components(flat, 5), Reference(5, svd_solver="full").fit(flat).components_
    np.testing.assert_allclose(np.abs(np.einsum("kp,kp->k", mine, theirs)), 1, atol=1e-3)
    assert (
        len(principal_components(np.ones((6, 30)), 4)) == 0
        or np.isfinite(principal_components(np.ones((6, 30)), 4)).all()
    )


def test_total_variation_is_that_of_a_loop() -> None:
    image = torch.from_numpy(np.random.default_rng(0).random((1, 1, 3, 4)).astype(np.float32))
    down = np.mean([abs(float(image[0, 0, i + 1, j] - image[0, 0, i, j])) for i in range(2) for j in range(4)])
    right = np.mean([abs(float(image[0, 0, i, j + 1] - image[0, 0, i, j])) for i in range(3) for j in range(3)])
    assert float(total_variation(image)) == pytest.approx(down + right)


def test_strangers_are_accepted_at_the_false_match_rate(people: Identities) -> None:
    scheme = RandomProjection(PCA, 10).fit(people, np.random.default_rng(0))
    system = enrol_victims(scheme, people, OperatingPoint(most_victims=1000), np.random.default_rng(3))
    assert list(system.thresholds) == [0.01]
    assert "FMR 0.001 needs 10,000 comparisons" in system.refused[0]
    matrix = compare_probes(scheme, people.probe, people.enrolment, system.keys, "stolen_token")
    strangers = people.probe.identities[:, None] != people.enrolment.identities[None]
    assert 0.008 <= (matrix[strangers] >= system.thresholds[0.01]).mean() <= 0.01
    assert system.accepts(system.victims.images).all()
    np.testing.assert_array_equal(system.others.identities, system.victims.identities)
    renewed = system.enrol(system.victims, system.keys + np.uint64(1))
    np.testing.assert_allclose(renewed.score(system.victims.images), 1, atol=1e-5)
    assert (renewed.templates != system.templates).any(1).all()
    mixed = system.enrol(system.others, system.keys).score(system.victims.images)
    assert mixed.max() < 1


def test_the_same_seed_gives_the_same_findings(people: Identities) -> None:
    attack = small(WHITE, replace(SMALL, kinds=["mlp"], steps=25, sizes=[50]), GradientSearch(3))
    one, again, other = (run(attack, Biohash(PCA, 20), people, seed).as_dict() for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.mark.parametrize("flag", ["ciphertext", "auxiliary_data", "own_keys"])
def test_what_is_not_granted_is_refused(people: Identities, flag: str) -> None:
    granted = {"ciphertext": True, "auxiliary_data": True, "own_keys": True} | {flag: False}
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        run(small(ThreatModel(**granted)), RawTemplate(PIXELS), people)


def test_too_few_impostors_and_too_few_impressions_are_refused(people: Identities) -> None:
    few = np.isin(people.enrolment.identities, people.enrolment.identities[:5])
    probes = np.isin(people.probe.identities, people.enrolment.identities[:5])
    tiny = Identities(
        people.train, people.auxiliary, people.enrolment.subset(few), people.probe.subset(probes), people.labels, []
    )
    found = run(small(), RawTemplate(PIXELS), tiny)
    assert found.gain is not None
    assert (found.gain.low, found.gain.high) == (-1, 1)
    said = "Inversion of templates (key unknown): nothing can be decided, because operating_point.reference_fmr=0.01"
    assert said + " has no threshold: FMR 0.01 needs 1,000 comparisons" in found.reason
    with pytest.raises(UserError, match="got 5 and 5"):
        split_auxiliary(people.auxiliary.subset(np.arange(10)), 0.5, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"reference_fmr=0.1 must be one of fmr=\[0.01\]"):
        OperatingPoint([0.01], 0.1)


def test_the_attacker_who_succeeds_with_held_out_impressions_is_taken(people: Identities) -> None:
    """A choice by the victims would take the decoder that happens to know them."""
    scheme = RawTemplate(PIXELS).fit(people, np.random.default_rng(0))
    system = enrol_victims(scheme, people, OperatingPoint([0.01]), np.random.default_rng(0))
    validation = system.enrol(system.others, system.keys)
    (victims, not_victims), (held_out, not_held_out) = (
        (one.victims.images, 1 - one.victims.images) for one in (system, validation)
    )
    made = Reconstructions({"linear": (victims, not_held_out), "mlp": (not_victims, held_out)})
    assert made.best_attacker(validation) == "mlp"


def test_own_prints_are_the_ones_with_the_highest_score(people: Identities) -> None:
    scheme = Biohash(PCA, 20).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, TemplateScheme)
    system = enrol_victims(scheme, people, OperatingPoint([0.01]), np.random.default_rng(0))
    own = people.auxiliary.images[:7]
    scores = score_own_features(system, scheme.features(own))
    for row, column in ((0, 0), (3, 6), (39, 2)):
        template = scheme.enroll(own[column : column + 1], system.keys[row : row + 1])
        assert scores[row, column] == scheme.compare(template, system.templates[row : row + 1])[0]
    curve = measure_dictionary(system, scores)
    wanted = [np.mean(scores[:, :most].max(1) >= system.threshold) for most in (3, 7)]
    assert (list(curve.budgets), list(curve.gains)) == ([3, 7], pytest.approx(wanted))


def test_a_stranger_s_template_gains_nothing_where_the_victim_s_does(people: Identities, tmp_path: Path) -> None:
    attack = TemplateInversion(WHITE, RawTemplate(PIXELS), None, SMALL)
    found = examined(attack, Biohash(PCA, 20), people, tmp_path)
    control = found.controls[-1]
    assert (control.kind, control.name, control.passed) == ("negative", "Biohash with strangers' templates", True)
    assert control.gain.value < 0.1
    assert [c.path for c in found.controls] == ["", "decoders", "white_box", ""]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["sar_at_0.01_own_prints"].value > 0.1


def test_what_the_mean_image_gets_in_is_no_gain(people: Identities) -> None:
    """The system accepts the mean image as half of its victims: presenting nothing better gains nothing."""
    scheme = RawTemplate(PIXELS).fit(people, np.random.default_rng(0))
    system = enrol_victims(scheme, people, OperatingPoint([0.01], most_victims=40), np.random.default_rng(0))
    mean_image = np.broadcast_to(people.auxiliary.images.mean(0), system.victims.images.shape)
    lenient = replace(system, thresholds={0.01: float(np.median(system.score(mean_image)))})
    assert lenient.accepts(mean_image).mean() == 0.5
    gains = {}
    for name, images in (("mean", mean_image), ("own", system.victims.images)):
        found = Findings("")
        small()._find_gain(found, lenient, images, mean_image)
        assert found.gain is not None
        gains[name] = found.gain.value
    assert gains == pytest.approx({"mean": 0, "own": 1})


def test_bits_are_read_as_minus_one_and_one_and_numbers_as_they_are(people: Identities) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (6, 2, 4)).astype(np.uint8)
    binary = Biohash(PCA, 8)
    assert binary.binary
    found = as_vectors(binary, bits, bits)
    assert (found.shape, found.dtype) == ((6, 8), np.float32)
    np.testing.assert_array_equal(found, [[1 if bit else -1 for bit in row.ravel()] for row in bits])
    real = np.random.default_rng(0).standard_normal((6, 2, 4))
    np.testing.assert_array_equal(as_vectors(RawTemplate(PCA), real, real), real.reshape(6, 8).astype(np.float32))
