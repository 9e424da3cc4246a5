"""Attributes: told from open templates, not from noise, and under a key only by who has it."""

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
from veilbench.families.templates.attacks.attribute import TemplateAttribute
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

PIXELS, PCA = Extractor("pixels", None), Extractor("pixels", 20)
THREAT = ThreatModel(auxiliary_data=True, own_keys=True)
KNOWN = ThreatModel(auxiliary_data=True, own_keys=True, key=True)


def attack(threat: ThreatModel = THREAT, **settings: Any) -> TemplateAttribute:
    return TemplateAttribute(threat, RawTemplate(PIXELS), NoiseTemplate(PIXELS), **settings)


def run(tried: TemplateAttribute, scheme: TemplateScheme, people: Identities, seed: int = 1) -> Findings:
    fitted = scheme.fit(people, np.random.default_rng(0))
    assert isinstance(fitted, TemplateScheme)
    return tried.run(fitted, people, Accelerator("cpu"), np.random.default_rng(seed), control=False)


def test_open_templates_tell_with_both_controls_passed(people: Identities, tmp_path: Path) -> None:
    scheme = RawTemplate(PCA).fit(people, np.random.default_rng(0))
    assert isinstance(scheme, RawTemplate)
    memory, seeds = ControlMemory(tmp_path, None), np.random.SeedSequence(1)
    found = attack().examine(scheme, people, Accelerator("cpu"), seeds, memory)
    assert [(c.kind, c.passed) for c in found.controls] == [("positive", True), ("negative", True)]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["pattern_template"].value > 0.9
    assert found.metrics["pattern_image"].value > 0.9
    assert found.metrics["pattern_guess"].value == 0.5


def test_only_who_has_the_key_reads_a_projection(people: Identities) -> None:
    secret, stolen = (run(attack(threat), RandomProjection(PCA, 20), people) for threat in (THREAT, KNOWN))
    assert secret.gain is not None
    assert secret.gain.low <= 0
    assert stolen.metrics["pattern_template"].value > 0.9
    assert secret.metrics["pattern_image"].value > 0.9


@pytest.mark.parametrize("learner", ["linear", "knn", "mlp"])
def test_each_learner_learns(learner: str, people: Identities) -> None:
    found = run(attack(learners=[learner]), RawTemplate(PCA), people)
    assert found.gain is not None
    assert found.gain.low > 0.1


def test_the_same_seed_gives_the_same_findings(people: Identities) -> None:
    one, again = (run(attack(), RandomProjection(PCA, 20), people).as_dict() for _ in range(2))
    other = run(attack(), RandomProjection(PCA, 20), people, seed=2).as_dict()
    assert one == again
    assert one != other


def test_an_attribute_that_the_data_do_not_have_is_refused(people: Identities) -> None:
    found = run(attack(judged="density"), RawTemplate(PCA), people)
    assert found.gain is None
    assert found.reason.endswith("names density, and the attributes of the data are: pattern")
    with pytest.raises(ValueError, match="judged=pattern must be one of"):
        attack(attributes=["density"])


@pytest.mark.parametrize("flag", ["ciphertext", "auxiliary_data", "own_keys"])
def test_what_is_not_granted_is_refused(people: Identities, flag: str) -> None:
    granted = {"ciphertext": True, "auxiliary_data": True, "own_keys": True} | {flag: False}
    with pytest.raises(UserError, match=f"does not grant {flag}"):
        run(attack(ThreatModel(**granted)), RawTemplate(PCA), people)
