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
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.own_prints import score_own_features
from veilbench.families.templates.attacks.preimages import Prior, find_preimage
from veilbench.families.templates.attacks.system import (
    TemplateSystem,
    first_row_of_each,
    held_out_system,
    split_auxiliary,
)
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme

HELD_OUT = 0.2  # share of the auxiliary identities that choose the attacker


class TemplateStolenKey(FeatureAttack):
    """Computes features whose template under the stolen key matches the victim's template.

    `find_preimage` chooses the method for the scheme. The features are presented directly to the matcher, as by an
    attacker who bypasses the sensor. A second attacker presents their own features, those whose template under the
    stolen key is most similar to the victim's. Any preimage raises the SAR `sar_at_<FMR>`, but the PRAR
    `prar_at_<FMR>`, under a new key, requires features near the true ones. `likeness` is the cosine between both. The
    mean auxiliary features are reported for comparison. The gain is the SAR of the attacker who is accepted more often
    as held-out auxiliary people, above the larger of the false match rate and the mean features' SAR.

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
        drawn: number of feature vectors that a regression is fitted to for each key; drawn from a normal distribution
            fitted to the auxiliary features.
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
        return self._controls_on_open_features(target, data, ["the subject's features"])

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
        samples = prior.sample(self.drawn, rng)
        found = [_find_features(one, prior, samples, own) for one in seen]
        findings.notes.append(f"Preimages by: {found[0][1]}.")
        best = max(found[1][0], key=lambda kind: float(validation.accepts_features(found[1][0][kind]).mean()))
        findings.notes.append(f"The gain is that of the attacker {best}, accepted most often as held-out people.")
        findings.metrics["any_of_own_prints"] = Metric.exact(
            self.operating_point.blind_success(len(own)), len(own), "share"
        )
        self._report(findings, system, found[0][0], prior.mean, best, rng)


def _find_features(
    system: TemplateSystem, prior: Prior, samples: np.ndarray, own: np.ndarray
) -> tuple[dict[str, np.ndarray], str]:
    """Return the features that each attacker presents, shape (victims, d), and the name of the preimages' method."""
    pairs = zip(system.templates, system.keys, strict=True)
    preimages = [find_preimage(system.scheme, template, key, prior, samples) for template, key in pairs]
    nearest = own[score_own_features(system, own).argmax(1)]
    return {"preimage": np.stack([features for features, _ in preimages]), "own_prints": nearest}, preimages[0][1]
