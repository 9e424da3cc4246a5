"""Attributes: told from open templates, not from noise, and under a key only by who has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.rule import doubt_budget
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import PLATEAU, Verdict
from veilbench.families.templates.attacks.attribute import (
    TemplateAttribute,
    _gain,
    balanced_accuracy,
    draw_balanced,
    draw_half,
    label_weights,
)
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

PIXELS, PCA = ImageExtractor("pixels", None), ImageExtractor("pixels", 20)
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
    tried = attack(broken_threshold=0.5)  # with 40 victims, the interval of a guess reaches beyond 0.4
    found = tried.examine(scheme, people, Accelerator("cpu"), seeds, memory)
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
    assert found.gain.value > 0.25
    assert found.gain.low > (-0.1 if learner == "mlp" else 0.1)  # for which 120 rows are few


@pytest.mark.parametrize("rule", ["the commonest", "at random", "in turn"])
def test_guesses_gain_nothing_however_uneven_the_labels(rule: str) -> None:
    labels = np.repeat([0, 1, 2], [4_000, 1_500, 500])
    rng = np.random.default_rng(0)
    guesses = {
        "the commonest": np.zeros(6_000),
        "at random": rng.integers(3, size=6_000),
        "in turn": np.arange(6_000) % 3,
    }
    gain = _gain(guesses[rule] == labels, labels)
    assert gain.low <= 0 <= gain.high
    assert abs(gain.value) < 0.05


def test_balanced_accuracy_is_that_of_scikit_learn_and_its_interval_covers() -> None:
    rng, covered = np.random.default_rng(0), 0
    chance = np.array([0.9, 0.5, 0.2])  # of each label to be classified correctly
    for _ in range(60):
        labels = rng.choice(3, 60, p=[0.5, 0.3, 0.2])
        correct = rng.random(60) < chance[labels]
        share = balanced_accuracy(correct, labels)
        wanted = balanced_accuracy_score(labels, np.where(correct, labels, (labels + 1) % 3))
        assert share.value == pytest.approx(wanted)
        covered += share.low <= chance.mean() <= share.high
    assert covered >= 55


def test_every_label_is_as_frequent_in_training_as_the_commonest() -> None:
    labels = np.repeat([0, 2], [7, 3])
    rows = draw_balanced(labels, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [7, 0, 7]
    assert set(rows) == set(range(10))
    assert label_weights(labels) == pytest.approx([1 / 14] * 7 + [1 / 6] * 3)


def test_half_of_the_rows_keeps_every_label() -> None:
    labels = np.repeat([0, 1, 2], [20, 9, 1])
    drawn = [draw_half(labels, np.random.default_rng(seed)) for seed in range(20)]
    assert all(len(set(rows)) == len(rows) == 15 for rows in drawn)
    assert all(set(labels[rows]) == {0, 1, 2} for rows in drawn)
    assert len(set(map(tuple, drawn))) == 20


def test_more_rows_help_and_the_curve_tells(people: Identities) -> None:
    found = run(attack(learners=["linear"]), RawTemplate(PCA), people)
    assert found.budget is not None
    assert (found.budget.setting, list(found.budget.budgets)) == ("auxiliary impressions", [60, 120])
    assert 0 < found.budget.gains[1] <= 1
    rise = found.budget.last_rise()
    assert rise is not None
    assert bool(doubt_budget(found.budget)) is (rise > PLATEAU)


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
