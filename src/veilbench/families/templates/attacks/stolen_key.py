"""Full disclosure: recover the features from a template whose key was stolen too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE, Attack
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import Count, Positive, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.preimages import TRIES, Prior, preimage
from veilbench.families.templates.attacks.system import TemplateSystem, deployed
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme, cosines
from veilbench.metrics.intervals import above_chance, mean, proportion


class TemplateStolenKey(Attack[TemplateScheme, Identities]):
    """Solves for features with the victim's template, by the method that fits the scheme.

    The features are presented to the system in place of those of an image, as by an attacker who bypasses the sensor.
    SAR is the share accepted with the stolen key, which any preimage achieves; PRAR is the share that a template of the
    same impression under a new key accepts, which takes the person's own features; `likeness` is their cosine with the
    true ones. The mean auxiliary features are reported for comparison. The gain is the SAR at the false match rate
    `reference_budget`, above the larger of the rate of blind guessing and the mean features' SAR. An attacker with key
    and template can test guesses offline and present the best one: a method that keeps the best of t features is
    compared with 1 - (1 - FMR)^t.

    Args:
        threat: threat model; needs `ciphertext`, `key` and `auxiliary_data`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        drawn: number of features to learn from for each key, drawn from a normal distribution fitted to the auxiliary
            ones.
        fmr: false match rates at which the system may operate, each in (0, 1).
        reference_budget: false match rate at which the gain is measured, one of `fmr`.
        most_victims: maximum number of victims to attack.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    title = "Stolen key and template"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        drawn: Annotated[Count, Ge(20)] = 500,
        fmr: Annotated[Sequence[Positive], MinLen(1)] = (0.01, 0.001),
        reference_budget: Positive = 0.01,
        most_victims: Annotated[Count, Ge(2)] = 40,
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if reference_budget not in fmr:
            raise ValueError(f"reference_budget={reference_budget} must be one of fmr={list(fmr)}")
        self.drawn, self.fmr, self.reference_budget, self.most_victims = (
            drawn,
            list(fmr),
            reference_budget,
            most_victims,
        )

    def run(
        self,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> Findings:
        """Run the attack on a scheme and report its gain."""
        self.threat.require("ciphertext", "key", "auxiliary_data")
        found = Findings(self.title)
        system = deployed(target, data, self.fmr, self.reference_budget, self.most_victims, rng)
        found.notes += [f"Refused: {reason}." for reason in system.refused]
        prior = Prior(target.features(data.auxiliary.images))
        drawn = prior.drawn(self.drawn, rng)
        pairs = zip(system.templates, system.keys, strict=True)
        made, methods = zip(*(preimage(target, template, key, prior, drawn) for template, key in pairs), strict=True)
        found.notes.append(f"Preimages by: {methods[0]}.")
        guesses = {"preimage": np.stack(made), "mean_features": np.tile(prior.mean, (len(made), 1)).astype(np.float32)}
        self._report(found, system, guesses, rng, 1 - (1 - self.reference_budget) ** TRIES.get(methods[0], 1))
        return found

    def _report(
        self,
        found: Findings,
        system: TemplateSystem,
        guesses: dict[str, np.ndarray],
        rng: np.random.Generator,
        blind: float,
    ) -> None:
        fresh = rng.integers(0, 2**64, len(system.keys), dtype=np.uint64)
        renewed, truth = system.enrolled_anew(system.victims, fresh), system.scheme.features(system.victims.images)
        rows: list[list[str | float | Metric | None]] = []
        columns = ["features", "likeness"]
        for name, made in guesses.items():
            found.metrics[f"likeness_{name}"] = mean(cosines(made, truth), unit="", of="victims")
            shares = {}
            for fmr in system.thresholds:
                for word, one in (("sar", system), ("prar", renewed)):
                    accepted = one.accepted_features(made, fmr)
                    shares[f"{word}_at_{fmr:g}"] = proportion(int(accepted.sum()), len(accepted))
            found.metrics |= {f"{key}_{name}": share for key, share in shares.items()}
            columns = [*columns[:2], *shares]
            rows.append([name, found.metrics[f"likeness_{name}"], *shares.values()])
        found.tables.append(Table("Features presented to the system", columns, rows))
        accepted = system.accepted_features(guesses["preimage"], self.reference_budget)
        chance = max(blind, found.metrics[f"sar_at_{self.reference_budget:g}_mean_features"].value)
        measured = proportion(int(accepted.sum()), len(accepted), CONFIDENCE)
        found.gain = above_chance(measured, min(chance, 0.999))
