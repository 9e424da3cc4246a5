"""Another matcher judges images: the victims' own are accepted, strangers' are not, and both as a plain loop says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.decoders import Decoders
from veilbench.families.templates.attacks.inversion import TemplateInversion
from veilbench.families.templates.attacks.judged_images import Judge, judge_images
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.system import TemplateSystem, enrol_victims
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

PIXELS = ImageExtractor("pixels", None)
POINT = OperatingPoint((0.01,), 0.01, 40)


def fitted(scheme: TemplateScheme, people: Identities) -> TemplateScheme:
    made = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(made, TemplateScheme)
    return made


@pytest.fixture(scope="module")
def system(people: Identities) -> TemplateSystem:
    return enrol_victims(fitted(RandomProjection(PIXELS, 30), people), people, POINT, np.random.default_rng(2))


@pytest.mark.parametrize("scheme", [RawTemplate(PIXELS), RandomProjection(PIXELS, 12)], ids=["raw", "projection"])
def test_the_shares_are_those_of_a_plain_loop(
    scheme: TemplateScheme, system: TemplateSystem, people: Identities
) -> None:
    judge = Judge.of(scheme, system, people, np.random.default_rng(3))
    images = 0.7 * system.victims.images + 0.3 * np.roll(system.victims.images, 1, axis=0)
    found = Findings("")
    judge.report(found, {"mixed": images, "own": system.victims.images}, "mixed")
    keys, n = judge.first.keys, len(images)

    def likeness(presented: np.ndarray, enrolled: np.ndarray, key: int) -> float:
        one, other = (judge.first.scheme.enroll(image[None], keys[key : key + 1]) for image in (presented, enrolled))
        return float(judge.first.scheme.compare(one, other)[0])

    own, others = system.victims.images, system.others.images
    strangers = [likeness(others[i], own[j], j) for i in range(n) for j in range(n) if i != j]
    threshold = np.sort(strangers)[-int(0.01 * len(strangers))]
    assert judge.first.threshold == pytest.approx(threshold, rel=1e-4)
    for name, enrolled in (("judged", own), ("judged_other", others)):
        wanted = np.mean([likeness(images[i], enrolled[i], i) >= threshold for i in range(n)])
        assert found.metrics[f"{name}_at_0.01_mixed"].value == pytest.approx(wanted, abs=0.03)
        assert found.metrics[f"{name}_at_0.01"] == found.metrics[f"{name}_at_0.01_mixed"]
    assert found.metrics["judged_at_0.01_own"].value == 1
    assert found.metrics["judged_other_at_0.01_own"].value == found.metrics["judged_at_0.01_true_impression"].value
    assert [row[0] for row in found.tables[0].rows] == ["mixed", "own", "a true impression"]


def test_strangers_images_are_not_accepted_and_noise_judges_nobody(system: TemplateSystem, people: Identities) -> None:
    strangers = {"own": system.victims.images, "strangers": np.roll(system.victims.images, 7, axis=0)}
    found, deaf = Findings(""), Findings("")
    judge_images(found, RawTemplate(PIXELS), system, people, strangers, "own", np.random.default_rng(3))
    assert found.metrics["judged_at_0.01"].value == 1
    assert found.metrics["judged_at_0.01_strangers"].value < 0.1
    assert found.metrics["judged_at_0.01_true_impression"].value > 0.9
    judge_images(deaf, NoiseTemplate(PIXELS), system, people, strangers, "own", np.random.default_rng(3))
    assert deaf.metrics["judged_at_0.01_true_impression"].value < 0.1


def test_too_few_victims_for_a_threshold_are_noted(system: TemplateSystem, people: Identities) -> None:
    few, found = system.subset(np.arange(8)), Findings("")
    images = {"own": few.victims.images}
    judge_images(found, RawTemplate(PIXELS), few, people, images, "own", np.random.default_rng(3))
    assert not found.metrics
    assert found.notes[0].startswith("Not judged by RawTemplate: operating_point.reference_fmr=0.01 has no threshold")


def test_images_that_the_attacked_system_rejects_are_not_judged(system: TemplateSystem, people: Identities) -> None:
    found, images = Findings(""), {"grey": np.full_like(system.victims.images, 0.5)}
    judge_images(found, RawTemplate(PIXELS), system, people, images, "grey", np.random.default_rng(3))
    assert not found.metrics
    assert found.notes == ["Not judged by RawTemplate: the attacked system itself accepts no image."]


def test_the_attack_reports_its_images_and_its_gain_stays_the_same(people: Identities) -> None:
    threat = ThreatModel(auxiliary_data=True, own_keys=True)
    decoders = Decoders(["linear"], [500], components=30, hidden=32, steps=100)
    plain = TemplateInversion(threat, RawTemplate(PIXELS), NoiseTemplate(PIXELS), decoders, operating_point=POINT)
    judged = TemplateInversion(
        threat, RawTemplate(PIXELS), NoiseTemplate(PIXELS), decoders, operating_point=POINT, judge=RawTemplate(PIXELS)
    )
    scheme, rngs = fitted(RawTemplate(PIXELS), people), [np.random.default_rng(1) for _ in range(3)]
    without = plain.run(scheme, people, Accelerator("cpu"), rngs[0], control=False)
    found = judged.run(scheme, people, Accelerator("cpu"), rngs[1], control=False)
    assert {name: found.metrics[name] for name in without.metrics} == without.metrics
    assert found.gain == without.gain
    assert found.metrics["judged_at_0.01"].value > 0.9
    assert found.metrics["judged_at_0.01_mean_image"].value < 0.2
    control = judged.run(scheme, replace(people), Accelerator("cpu"), rngs[2], control=True)
    assert not any(name.startswith("judged") for name in control.metrics)
