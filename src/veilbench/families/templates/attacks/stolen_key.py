"""Full disclosure: recover the features from a template whose key was stolen too."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.preimages import TRIES, Prior, find_preimage
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme, cosine_similarity
from veilbench.metrics.intervals import mean


class TemplateStolenKey(AcceptanceAttack):
    """Computes features whose template under the stolen key matches the victim's template.

    `find_preimage` chooses the method for the scheme. The features are presented directly to the matcher, as by an
    attacker who bypasses the sensor. Any preimage raises the SAR `sar_at_<FMR>`, but the PRAR `prar_at_<FMR>`, under
    a new key, requires features near the true ones. `likeness` is the cosine between both. The mean auxiliary features
    are reported for comparison. The gain is the SAR above the larger of blind guessing and the mean features' SAR. An
    attacker with key and template can test guesses offline and present the best one; a method that tests t guesses is
    therefore compared with 1 - (1 - FMR)^t.

    Args:
        threat: threat model; needs `ciphertext`, `key` and `auxiliary_data`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
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
        negative: TemplateScheme,
        drawn: Annotated[Count, Ge(20)] = 500,
        operating_point: OperatingPoint = OperatingPoint(most_victims=40),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, operating_point, broken_threshold)
        self.drawn = drawn

    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Find a preimage of each victim's template, and present it."""
        system = self._enrol(findings, target, data, rng)
        prior = Prior(target.features(data.auxiliary.images))
        samples = prior.sample(self.drawn, rng)
        pairs = zip(system.templates, system.keys, strict=True)
        preimages = [find_preimage(target, template, key, prior, samples) for template, key in pairs]
        method = preimages[0][1]
        findings.notes.append(f"Preimages by: {method}.")
        mean_features = np.tile(prior.mean, (len(preimages), 1)).astype(np.float32)
        guesses = {"preimage": np.stack([features for features, _ in preimages]), "mean_features": mean_features}
        blind = self.operating_point.blind_success(TRIES.get(method, 1))
        self._report(findings, system, guesses, rng, blind)

    def _report(
        self,
        findings: Findings,
        system: TemplateSystem,
        guesses: dict[str, np.ndarray],
        rng: np.random.Generator,
        blind: float,
    ) -> None:
        systems = {"sar": system, "prar": system.renew_keys(rng)}
        truth = system.scheme.features(system.victims.images)
        rows: list[list[str | float | Metric | None]] = []
        columns = ["features", "likeness"]
        for name, features in guesses.items():
            findings.metrics[f"likeness_{name}"] = mean(cosine_similarity(features, truth), unit="", of="victims")
            shares = self._acceptance_rates(systems, features, TemplateSystem.accepts_features)
            findings.metrics |= {f"{key}_{name}": rate for key, rate in shares.items()}
            columns = [*columns[:2], *shares]
            rows.append([name, findings.metrics[f"likeness_{name}"], *shares.values()])
        findings.tables.append(Table("Features presented to the system", columns, rows))
        mean_features = findings.metrics[f"sar_at_{system.reference_fmr:g}_mean_features"].value
        findings.gain = self._gain(system.accepts_features(guesses["preimage"]), blind, mean_features)
