"""What attacks that present something to the system report: rates by name, and a gain above the largest chance."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack
from veilbench.families.templates.attacks.attribute import TemplateAttribute
from veilbench.families.templates.attacks.inversion import TemplateInversion
from veilbench.families.templates.attacks.linkage import TemplateLinkage
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.oracle import TemplateOracle
from veilbench.families.templates.attacks.oracle_search import EvolutionSearch
from veilbench.families.templates.attacks.stolen_key import TemplateStolenKey
from veilbench.families.templates.attacks.system import TemplateSystem, enrol_victims
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

ATTACKS = [TemplateAttribute, TemplateInversion, TemplateLinkage, TemplateOracle, TemplateStolenKey]


@pytest.fixture
def system(people: Identities) -> TemplateSystem:
    scheme = RandomProjection(ImageExtractor("pixels", 20), 20).fit(people, np.random.default_rng(0))
    return enrol_victims(scheme, people, OperatingPoint([0.02, 0.01], 0.01, 15), np.random.default_rng(0))


def test_blind_guesses_are_accepted_as_a_simulation_says() -> None:
    accepted = np.random.default_rng(0).random((20_000, 30)) < 0.02
    chance = OperatingPoint([0.02], 0.02).blind_success(30)
    assert chance == pytest.approx(accepted.any(1).mean(), abs=0.01)
    assert OperatingPoint().blind_success(0) == 0


def test_a_rate_is_reported_for_each_system_and_false_match_rate(system: TemplateSystem) -> None:
    systems = {"sar": system, "prar": system.renew_keys(np.random.default_rng(1))}
    images = np.where(np.arange(15).reshape(-1, 1, 1, 1) < 9, system.victims.images, 0.5).astype(np.float32)
    rates = AcceptanceAttack._acceptance_rates(systems, images)
    assert list(rates) == ["sar_at_0.02", "prar_at_0.02", "sar_at_0.01", "prar_at_0.01"]
    for name, rate in rates.items():
        word, fmr = name.split("_at_")
        assert rate.value == systems[word].accepts(images, float(fmr)).mean()
    features = system.scheme.features(images)
    assert AcceptanceAttack._acceptance_rates(systems, features, TemplateSystem.score_features) == rates


def test_decisions_without_a_rate_are_those_at_the_reference_rate(system: TemplateSystem) -> None:
    images, features = system.others.images, system.scheme.features(system.others.images)
    strict = replace(system, thresholds={0.02: -1.0, 0.01: 2.0})
    assert strict.threshold == 2
    assert not strict.accepts(images).any()
    assert not strict.accepts_features(features).any()
    assert strict.accepts(images, 0.02).all()
    assert strict.accepts_features(features, 0.02).all()


def test_new_keys_change_templates_and_nothing_else(system: TemplateSystem) -> None:
    renewed = system.renew_keys(np.random.default_rng(1))
    assert (renewed.keys != system.keys).all()
    assert (renewed.templates != system.templates).any(1).all()
    assert renewed.victims is system.victims
    assert renewed.thresholds == system.thresholds


@pytest.mark.parametrize(("chances", "gain"), [((0.1, 0.25), 0.55 / 0.75), ((0.3, 0.2), 5 / 7)])
def test_the_gain_is_above_the_largest_chance(
    chances: tuple[float, float], gain: float, system: TemplateSystem
) -> None:
    scores = np.where(np.arange(15) < 12, np.inf, -np.inf)  # 80 % accepted
    assert found_gain(system, scores, dict(zip("ab", chances, strict=True))).gain.value == pytest.approx(gain)


@pytest.mark.parametrize("chance", [0.6, 1.0])
def test_a_chance_that_success_cannot_exceed_decides_nothing(chance: float, system: TemplateSystem) -> None:
    """15 of 15 victims show a share of at least 0.70 only: above a chance of 0.6 this is a gain of 0.26."""
    found = found_gain(system, np.full(15, np.inf), {"the setting": chance})
    assert (found.gain.low, found.gain.high) == (-1, 1)
    assert f"Tried: nothing can be decided, because the setting leaves a chance of {chance:g}" in found.reason


def found_gain(system: TemplateSystem, scores: np.ndarray, chances: dict[str, float]) -> Any:
    found, attack = Findings("Tried"), TemplateStolenKey(ThreatModel(), RawTemplate(ImageExtractor()))
    attack._set_gain(found, system, scores, chances)
    return found


@pytest.mark.parametrize("settings", [{"fmr": [0.01], "reference_fmr": 0.1}, {"fmr": [], "reference_fmr": 0.1}])
def test_a_reference_rate_that_is_not_reported_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"reference_fmr=0.1 must be one of fmr=\["):
        OperatingPoint(**settings)


def test_an_odd_population_is_refused() -> None:
    with pytest.raises(ValueError, match="population=5 must be even"):
        EvolutionSearch(5)


@pytest.mark.parametrize("attack", ATTACKS)
def test_settings_that_belong_together_are_one_argument(attack: type[TemplateAttack]) -> None:
    assert issubclass(attack, TemplateAttack)
    assert len(inspect.signature(attack).parameters) <= 8
