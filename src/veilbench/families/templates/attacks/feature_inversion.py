"""Inversion of templates to features: for embeddings without images, and for attackers who bypass the sensor."""

from __future__ import annotations

import numpy as np

from veilbench.attack_methods.ridge import ridge
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import BudgetCurve, Findings
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.feature_attack import FeatureAttack
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.own_prints import find_nearest_template
from veilbench.families.templates.attacks.system import (
    TemplateSystem,
    first_row_of_each,
    held_out_system,
    split_auxiliary,
)
from veilbench.families.templates.attacks.template_features import TemplateFeatures
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.schemes.base import TemplateScheme

HELD_OUT = 0.2  # share of the auxiliary identities that choose the attacker
Learned = tuple[TemplateFeatures, np.ndarray]  # what the attacker learns from; rows of the regression


class TemplateFeatureInversion(FeatureAttack):
    """Reconstructs features from templates by ridge regression, and presents them to the matcher.

    The regression is fitted to templates of auxiliary people and their features. If the threat model grants `key`, it
    is fitted for each victim's key, see `TemplateFeatures`; otherwise to templates under many random keys. A second
    attacker presents the features of their own sample whose template is most similar to the victim's. Held-out people
    choose between both. A regression to d features needs more than d auxiliary samples: with fewer, the positive
    control fails, and nothing is decided.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key` adds the victims' keys.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat; None shows the attacker a stranger's
            template in place of each victim's.
        operating_point: false match rates of the system, and number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    title = "Inversion of templates to features"
    threat_needs = ("ciphertext", "auxiliary_data", "own_keys")

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme | None = None,
        operating_point: OperatingPoint = OperatingPoint(most_victims=100),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, operating_point, broken_threshold)

    def variant(self) -> str:
        """Return whether the victims' keys are known."""
        return "key known" if self.threat.key else "key unknown"

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
        """Reconstruct each victim's features, and present them."""
        system = self._enrol(findings, target, data, rng)
        training, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        validation = held_out_system(system, held_out.subset(first_row_of_each(held_out.identities)), rng)
        learned = self._learn(target, training, rng)
        seen = system.show_strangers() if strangers else system
        found, rivals = _reconstruct(seen, learned), _reconstruct(validation, learned)
        shares = {name: _share_accepted(validation, features) for name, features in rivals.items()}
        best = max(shares, key=lambda name: shares[name])
        findings.notes.append(f"The gain is that of the attacker {best}, accepted most often as held-out people.")
        features, rows = learned
        half = _reconstruct(validation, (features, rows[: len(rows) // 2]))[best]
        sizes = [len(rows) // 2, len(rows)]
        findings.budget = BudgetCurve("auxiliary samples", sizes, [_share_accepted(validation, half), shares[best]])
        self._report(findings, system, data, found, features.features.mean(0), best, rng)

    def _learn(self, target: TemplateScheme, training: Impressions, rng: np.random.Generator) -> Learned:
        """Enrol the attacker's own samples under their own keys; return the rows in random order."""
        features = TemplateFeatures(target, training, self.threat.key, rng)
        return features, rng.permutation(len(training))


def _reconstruct(system: TemplateSystem, learned: Learned) -> dict[str, np.ndarray]:
    """Return the features that each attacker presents, shape (victims, d); one regression learns from some rows."""
    features, rows = learned
    own, codes = features.features, features.transform_own()
    cut = max(1, len(rows) * 4 // 5)
    chosen = rows[:cut], rows[cut:]
    inverse = ridge(codes[chosen[0]], own[chosen[0]], codes[chosen[1]], own[chosen[1]])[0]
    nearest = find_nearest_template(system, features)
    regressed = np.asarray(inverse(features.transform(system.templates, system.keys)), np.float32)
    return {"regression": regressed, "own_samples": own[nearest]}


def _share_accepted(system: TemplateSystem, features: np.ndarray) -> float:
    return float(system.accepts_features(features).mean())
