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
from veilbench.families.templates.schemes.base import TemplateScheme, cosines
from veilbench.metrics.intervals import mean


class TemplateStolenKey(AcceptanceAttack):
    """Solves for features with the victim's template, by the method that fits the scheme.

    The features are presented to the system in place of those of an image, as by an attacker who bypasses the sensor.
    Any preimage achieves the SAR `sar_at_<FMR>`; the PRAR `prar_at_<FMR>` takes the person's own features; `likeness`
    is their cosine with the true ones. The mean auxiliary features are reported for comparison. The gain is the SAR
    above the larger of the rate of blind guessing and the mean features' SAR. An attacker with key and template can
    test guesses offline and present the best one: a method that keeps the best of t features is compared with
    1 - (1 - FMR)^t.

    Args:
        threat: threat model; needs `ciphertext`, `key` and `auxiliary_data`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        drawn: number of features to learn from for each key, drawn from a normal distribution fitted to the auxiliary
            ones.
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
        found: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Find a preimage of each victim's template, and present it."""
        system = self._enrol(found, target, data, rng)
        prior = Prior(target.features(data.auxiliary.images))
        drawn = prior.sample(self.drawn, rng)
        pairs = zip(system.templates, system.keys, strict=True)
        solved = [find_preimage(target, template, key, prior, drawn) for template, key in pairs]
        method = solved[0][1]
        found.notes.append(f"Preimages by: {method}.")
        mean_features = np.tile(prior.mean, (len(solved), 1)).astype(np.float32)
        guesses = {"preimage": np.stack([features for features, _ in solved]), "mean_features": mean_features}
        blind = self.operating_point.blind_success(TRIES.get(method, 1))
        self._report(found, system, guesses, rng, blind)

    def _report(
        self,
        found: Findings,
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
            found.metrics[f"likeness_{name}"] = mean(cosines(features, truth), unit="", of="victims")
            shares = self._acceptance(systems, features, TemplateSystem.accepted_features)
            found.metrics |= {f"{key}_{name}": rate for key, rate in shares.items()}
            columns = [*columns[:2], *shares]
            rows.append([name, found.metrics[f"likeness_{name}"], *shares.values()])
        found.tables.append(Table("Features presented to the system", columns, rows))
        mean_features = found.metrics[f"sar_at_{system.reference_fmr:g}_mean_features"].value
        found.gain = self._gain(system.accepted_features(guesses["preimage"]), blind, mean_features)
