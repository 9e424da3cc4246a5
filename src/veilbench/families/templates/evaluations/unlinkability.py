"""Measures unlinkability and renewability of templates (ISO/IEC 24745, ISO/IEC 30136)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, Positive
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import compare_probes, draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.biometric import (
    Comparisons,
    at_fmr,
    bootstrap,
    equal_error_rate,
    error_rates,
    over_identities,
    refusal,
)
from veilbench.metrics.linkability import Linkability, linkability


class Unlinkability(Evaluation):
    """Measures the linkability of templates under two keys by the scheme's own score, and what a key renewal costs.

    A trained linker may link better than this score; it is evaluated by the attack `TemplateLinkage`.

    Args:
        odds: prior odds of a mated pair, p(mated) / p(non-mated).
        fmr: false match rate at which an old template must not match a new one, in (0, 1).
        repeats: bootstrap samples over identities.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    def __init__(
        self,
        odds: Positive = 1.0,
        fmr: Annotated[float, Gt(0), Lt(1)] = 0.01,
        repeats: Annotated[Count, Ge(10)] = 200,
    ) -> None:
        self.odds, self.fmr, self.repeats = odds, fmr, repeats

    def examine(
        self, model: TemplateScheme, data: Identities, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Run the evaluation and return its findings."""
        rng = np.random.default_rng(seeds)
        people = np.r_[data.enrolment.identities, data.probe.identities]
        old, new = draw_user_keys(people, rng), draw_user_keys(people, rng)
        enrolled = len(data.enrolment)
        before = model.enroll(data.enrolment.samples, old[:enrolled])
        after = model.enroll(data.probe.samples, new[enrolled:])
        matrix = model.compare_all(after, before)
        across = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
        findings = Findings("Unlinkability and renewability")
        if not model.keyed:
            findings.notes.append("The templates have no key and cannot be renewed: they link as well as they match.")
        self._report_linkability(findings, linkability(across, rng, self.odds, self.repeats))
        self._report_renewal(findings, model, data, across, (old[:enrolled], new[:enrolled]), rng)
        return findings

    def _report_linkability(self, findings: Findings, links: Linkability) -> None:
        findings.metrics["d_sys"], findings.metrics["maximal_linkability"] = links.system, links.maximal
        findings.metrics["d_sys_histogram"] = Metric.exact(links.plug_in, unit="share")
        findings.notes.append(
            "d_sys_histogram is the usual estimate, which is biased: it is above 0 even without linkability."
        )
        curve = Curve("D(s)", links.scores.tolist(), links.local.tolist())
        findings.figures.append(Figure("Linkability of a score", "score between two keys", "D(s)", [curve]))

    def _report_renewal(
        self,
        findings: Findings,
        model: TemplateScheme,
        data: Identities,
        across: Comparisons,
        keys: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> None:
        """Report error rates before and after renewal, and how often new templates match old ones."""

        def statistics(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
            return [equal_error_rate(error_rates(scores, mated, weights))]

        sides = []
        for name, side_keys in zip(("before", "after"), keys, strict=True):
            matrix = compare_probes(model, data.probe, data.enrolment, side_keys, "own_token")
            sides.append(Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities))
            (findings.metrics[f"eer_{name}"],) = bootstrap(sides[-1], statistics, rng, self.repeats)
        if reason := refusal(int((~sides[0].mated).sum()), self.fmr):
            findings.notes.append(f"Whether old templates match new ones is refused: {reason}.")
            return
        threshold = at_fmr(error_rates(sides[0].scores, sides[0].mated), self.fmr).threshold
        matched = (across.scores >= threshold)[across.mated]
        findings.metrics["old_matches_new"] = over_identities(matched.astype(float), across.first[across.mated], rng)
