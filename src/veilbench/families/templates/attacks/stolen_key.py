"""Full disclosure: recover the features from a template whose key was stolen too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.feature_attack import FeatureAttack
from veilbench.families.templates.attacks.nonlinear_preimages import find_cosine_preimage, is_nonlinear
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.own_prints import score_own_features
from veilbench.families.templates.attacks.preimages import find_preimage
from veilbench.families.templates.attacks.prior import Prior
from veilbench.families.templates.attacks.system import (
    TemplateSystem,
    first_row_of_each,
    held_out_system,
    split_auxiliary,
)
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme, cosine_similarity

HELD_OUT = 0.2  # share of the auxiliary identities that choose the attacker
GUESSES = 5  # own features that a search by the cosine starts from, as published


class TemplateStolenKey(FeatureAttack):
    """Computes features whose template under the stolen key matches the victim's template.

    `find_preimage` chooses the method for the scheme. The features are presented directly to the matcher, as by an
    attacker who bypasses the sensor. A second attacker presents their own features, those whose template under the
    stolen key is most similar to the victim's. Any preimage raises the SAR `sar_at_<FMR>`, but the PRAR
    `prar_at_<FMR>`, under a new key, and `isr_at_<FMR>`, without protection, require features near the true ones.
    `likeness` is the cosine between both. The mean auxiliary features are reported for comparison. Templates that are
    real-valued and not linear in the features meet a third attacker, `cosine`: the published inversion of PolyProtect,
    see `find_cosine_preimage`. The gain is the SAR of the attacker who is accepted most often as held-out auxiliary
    people, above the larger of the false match rate and the mean features' SAR; among equals it is the attacker whose
    features are most similar to theirs.

    Whoever has key and template can test guesses offline and present the best one, which gets them into every system to
    some degree: `any_of_own_prints` is the probability if each of their own prints is accepted at the false match rate,
    independently. The negative control therefore shows them a stranger's template in place of each victim's.

    The positive controls include the subject's own features without protection: if even these are not worth more than
    the mean features, the subject's resistance says nothing about its transformation.

    Args:
        threat: threat model; needs `ciphertext`, `key` and `auxiliary_data`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat; None shows the attacker a stranger's
            template in place of each victim's.
        drawn: number of feature vectors that a regression is fitted to for each key, beside the auxiliary features;
            drawn from a normal distribution fitted to them.
        operating_point: false match rates of the system, and number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    title = "Stolen key and template"
    threat_needs = ("ciphertext", "key", "auxiliary_data")

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme | None = None,
        drawn: Annotated[Count, Ge(20)] = 500,
        operating_point: OperatingPoint = OperatingPoint(most_victims=60),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, operating_point, broken_threshold)
        self.drawn = drawn

    def control_cases(self, target: TemplateScheme, data: Identities) -> Sequence[ControlCase[TemplateScheme]]:
        """Return the constructor's controls, and the target's open features as a second positive control."""
        return self._controls_on_open_features(target, data, ["open features"])

    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
        strangers: bool = False,
    ) -> None:
        """Find a preimage of each victim's template, and present it."""
        system = self._enrol(findings, target, data, rng)
        training, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        validation = held_out_system(system, held_out.subset(first_row_of_each(held_out.identities)), rng)
        own = target.features(training.samples)
        prior = Prior(own)
        seen = [system.show_strangers() if strangers else system, validation]
        samples = rng.permutation(np.concatenate([own, prior.sample(self.drawn, rng)]))
        starts = own[rng.permutation(len(own))[:GUESSES]]
        found, rivals = (_find_features(one, prior, samples, own, starts) for one in seen)
        findings.notes.append(f"Preimages by: {found[1]}.")
        best = _choose(validation, rivals[0])
        findings.notes.append(f"The gain is that of the attacker {best}, accepted most often as held-out people.")
        findings.metrics["any_of_own_prints"] = Metric.exact(
            self.operating_point.blind_success(len(own)), len(own), "share"
        )
        self._report(findings, system, data, found[0], prior.mean, best, rng)


def _find_features(
    system: TemplateSystem, prior: Prior, samples: np.ndarray, own: np.ndarray, starts: np.ndarray
) -> tuple[dict[str, np.ndarray], str]:
    """Return the features that each attacker presents, shape (victims, d), and the name of the preimages' method."""
    scheme, pairs = system.scheme, list(zip(system.templates, system.keys, strict=True))
    preimages = [find_preimage(scheme, template, key, prior, samples) for template, key in pairs]
    nearest = own[score_own_features(system, own).argmax(1)]
    found = {"preimage": np.stack([features for features, _ in preimages]), "own_prints": nearest}
    if is_nonlinear(scheme):
        found["cosine"] = np.stack([find_cosine_preimage(scheme, template, key, starts) for template, key in pairs])
    return found, preimages[0][1]


def _choose(validation: TemplateSystem, found: dict[str, np.ndarray]) -> str:
    """Return the attacker who is accepted most often as held-out people; among equals, the one most similar to them."""
    truth = validation.scheme.features(validation.victims.samples)

    def success(name: str) -> tuple[float, float]:
        accepted = validation.accepts_features(found[name])
        return float(accepted.mean()), float(cosine_similarity(found[name], truth).mean())

    return max(found, key=success)
