"""Attacks that present features to the matcher, as an attacker who bypasses the sensor does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from veilbench.bench.findings import Findings, Metric, Table
from veilbench.families.templates.attacks.disclosed_template import DisclosedTemplateAttack
from veilbench.families.templates.attacks.system import TemplateSystem, disclose_features
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import cosine_similarity
from veilbench.metrics.intervals import mean


class FeatureAttack(DisclosedTemplateAttack):
    """Presents features in place of samples, and compares them with the victims' true features.

    It applies to images and to embeddings. The gain is the SAR of one of the attackers, above the larger of the false
    match rate and the SAR of the mean auxiliary features. `likeness` is the cosine with the true features. For keyed
    schemes `isr_at_<FMR>` (inversion success rate; Hahn and Marcel 2022) is the share that a system without protection
    accepts, which stores the same features and has thresholds of its own.
    """

    def _report(
        self,
        findings: Findings,
        system: TemplateSystem,
        data: Identities,
        guesses: Mapping[str, np.ndarray],
        mean_features: np.ndarray,
        best: str,
        rng: np.random.Generator,
    ) -> None:
        """Add the gain, the rates of all attackers and a table.

        Args:
            findings: findings to add to.
            system: recognition system that decides.
            data: identities, whose probes give the thresholds without protection.
            guesses: maps an attacker's name to the features that they present, shape (victims, d).
            mean_features: mean of the auxiliary features, shape (d,), presented for comparison.
            best: attacker whose SAR is the gain, best chosen on held-out people.
            rng: source of the new keys for PRAR.
        """
        systems = {"sar": system, "prar": system.renew_keys(rng)}
        if system.scheme.keyed:
            systems["isr"] = disclose_features(system, data, rng.spawn(1)[0])
        truth = system.scheme.features(system.victims.samples)
        baseline = np.tile(mean_features, (len(system.keys), 1)).astype(np.float32)
        rows: list[list[str | float | Metric | None]] = []
        columns = ["features", "likeness"]
        for name, features in {**guesses, "mean_features": baseline}.items():
            findings.metrics[f"likeness_{name}"] = mean(cosine_similarity(features, truth), unit="", of="victims")
            shares = self._acceptance_rates(systems, features, TemplateSystem.score_features)
            findings.metrics |= {f"{key}_{name}": rate for key, rate in shares.items()}
            columns = [*columns[:2], *shares]
            rows.append([name, findings.metrics[f"likeness_{name}"], *shares.values()])
        findings.tables.append(Table("Features presented to the system", columns, rows))
        share = findings.metrics[f"sar_at_{system.reference_fmr:g}_mean_features"].value
        chances = {"operating_point.reference_fmr": system.reference_fmr, "the mean features": share}
        self._set_gain(findings, system, system.score_features(guesses[best]), chances)
