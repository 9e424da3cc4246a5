"""Weights, an ONNX file and embeddings of one network have the same scores and verdicts, plain and protected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finished_net import FORMS, Finished, fitted

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import load_trained_model
from veilbench.bench.verdict import Verdict
from veilbench.families.templates.attacks.feature_inversion import TemplateFeatureInversion
from veilbench.families.templates.attacks.linkage import TemplateLinkage
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.stolen_key import TemplateStolenKey
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import compare_probes, draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.mlp_hash import MlpHash
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.polyprotect import Polyprotect
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

OPEN = ThreatModel(auxiliary_data=True, own_keys=True)
POINT = OperatingPoint(fmr=(0.01,), most_victims=35)
PIXELS, PCA = ImageExtractor("pixels", None), ImageExtractor("pixels", 20)


def scores(scheme: TemplateScheme, data: Identities) -> np.ndarray:
    keys = draw_user_keys(data.enrolment.identities, np.random.default_rng(3))
    return compare_probes(scheme, data.probe, data.enrolment, keys, "own_token")


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_cosines_of_what_the_network_puts_out(
    form: str, finished: Finished, people: dict[str, Identities]
) -> None:
    found = scores(fitted(RawTemplate(PIXELS), form, finished, people), people[form])
    sides = (people["net.onnx"].probe, people["net.onnx"].enrolment)
    with torch.no_grad():
        probes, enrolled = (finished.net(torch.from_numpy(side.images)) for side in sides)
    wanted = torch.cosine_similarity(probes[:, None], enrolled[None], dim=2).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    "scheme",
    [
        Biohash(PIXELS, 20),
        RandomProjection(PIXELS, 10),
        Polyprotect(PIXELS),
        IomGrp(PIXELS, 50, 4),
        MlpHash(PIXELS, [30], 20),
    ],
    ids=lambda scheme: type(scheme).__name__,
)
def test_every_protection_goes_on_top(
    scheme: TemplateScheme, finished: Finished, people: dict[str, Identities]
) -> None:
    one, *others = (
        scores(fitted(scheme, form, finished, people), people[form])
        for form in ("embeddings.npz", "net.onnx", "net.pt")
    )
    for other in others:
        assert np.mean(np.abs(one - other) > 1e-3) < 1e-3  # a bit may flip where rounding decides
        assert abs(one - other).mean() < 1e-4


ATTACKS: list[TemplateAttack] = [
    TemplateLinkage(OPEN, RawTemplate(PIXELS), NoiseTemplate(PIXELS), ["linear"], repeats=200),
    TemplateStolenKey(ThreatModel(key=True, auxiliary_data=True), RandomProjection(PCA, 20), drawn=60),
    TemplateFeatureInversion(OPEN, RawTemplate(PCA), operating_point=POINT),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: type(attack).__name__)
@pytest.mark.parametrize("scheme", [RawTemplate(PIXELS), RandomProjection(PIXELS, 12)], ids=["raw", "projection"])
def test_verdicts_do_not_depend_on_the_form(
    attack: TemplateAttack, scheme: TemplateScheme, finished: Finished, people: dict[str, Identities], tmp_path: Path
) -> None:
    found = [
        attack.examine(
            fitted(scheme, form, finished, people),
            people[form],
            Accelerator("cpu"),
            np.random.SeedSequence(2),
            ControlMemory(tmp_path, None),
        )
        for form in ("net.safetensors", "net.onnx", "embeddings.npz")
    ]
    gains = [one.gain.value for one in found if one.gain]
    assert len(gains) == 3
    assert max(gains) - min(gains) <= 0.03
    kinds = [control.kind for control in found[2].controls]
    assert [*dict.fromkeys(kinds)] == ["positive", "negative"]
    assert len(kinds) == (3 if isinstance(attack, TemplateStolenKey) else 2)
    assert all(control.passed for control in found[2].controls)
    if type(scheme) is RawTemplate and not isinstance(attack, TemplateLinkage):
        assert [one.verdict for one in found] == [Verdict.BROKEN] * 3


@pytest.mark.parametrize("form", ["net.safetensors", "net.onnx", "embeddings.npz"])
def test_a_saved_model_is_complete(
    form: str, finished: Finished, people: dict[str, Identities], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = fitted(Biohash(PIXELS, 20), form, finished, people)
    scheme.save(tmp_path)
    monkeypatch.setattr(finished.net, "forward", None)  # nothing but the two files counts
    back = load_trained_model(tmp_path)
    assert isinstance(back, Biohash)
    samples, keys = people[form].probe.samples[:9], np.arange(9, dtype=np.uint64)
    assert (back.enroll(samples, keys) == scheme.enroll(samples, keys)).all()
    assert str(finished.folder) not in (tmp_path / "model.json").read_text()


@pytest.mark.parametrize("form", ["net.safetensors", "net.onnx"])
def test_gradients_are_those_of_finite_differences(
    form: str, finished: Finished, people: dict[str, Identities]
) -> None:
    extractor: Any = fitted(RawTemplate(PIXELS), form, finished, people).extractor
    images = torch.from_numpy(people[form].probe.images[:2].copy()).requires_grad_()
    direction = torch.from_numpy(np.random.default_rng(0).standard_normal(24).astype(np.float32))
    (extractor.extract_tensor(images) @ direction).sum().backward()
    assert images.grad is not None
    step = torch.sign(images.grad)
    with torch.no_grad():
        ahead, behind = (extractor.extract_tensor(images + sign * 1e-3 * step) @ direction for sign in (1, -1))
    slope = float((ahead - behind).sum()) / 2e-3
    assert slope == pytest.approx(float((images.grad * step).sum()), rel=0.05)
