"""Error rates and identification ranks of templates (ISO/IEC 19795-1), in both token scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.twins import compare_twins, measure_twins
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.biometric import (
    Comparisons,
    at_fmr,
    bootstrap,
    cmc,
    equal_error_rate,
    error_rates,
    over_identities,
    ranks,
    refusal,
)

SCENARIOS = {"own_token": "each user's key secret", "stolen_token": "key stolen"}
POINTS = 200  # points of a curve


def draw_user_keys(people: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a key for each row, the same for rows of one identity; shape (n,), uint64."""
    distinct, person = np.unique(people, return_inverse=True)
    return rng.integers(0, 2**64, len(distinct), dtype=np.uint64)[person]


def compare_probes(
    scheme: TemplateScheme, probes: Impressions, enrolment: Impressions, keys: np.ndarray, scenario: str
) -> np.ndarray:
    """Compare every probe with every enrolled template, shape (probes, enrolled).

    Args:
        scheme: scheme that makes and compares the templates.
        probes: impressions presented to the system.
        enrolment: impressions that are enrolled as templates.
        keys: key of each enrolled impression, one per identity; shape (enrolled,), uint64.
        scenario: `own_token` if everyone presents probes with their own key; `stolen_token` if everyone presents them
            with the key of the claimed identity.
    """
    enrolled = scheme.enroll(enrolment.samples, keys)
    features = scheme.features(probes.samples)
    if scenario == "own_token" or not scheme.keyed:
        key_of = dict(zip(enrolment.identities.tolist(), keys, strict=True))
        own_keys = np.array([key_of[person] for person in probes.identities.tolist()], np.uint64)
        return scheme.compare_all(scheme.protect(features, own_keys), enrolled)
    scores = np.empty((len(probes), len(enrolment)), np.float32)
    for key in np.unique(keys):
        claimed = np.flatnonzero(keys == key)
        templates = scheme.protect(features, np.full(len(probes), key))
        scores[:, claimed] = scheme.compare_all(templates, enrolled[claimed])
    return scores


class Verification(Evaluation):
    """Measures error rates and identification ranks of the test's probes against its enrolled templates.

    If the data has twins, they are impostors too, with the key of their originals; see `measure_twins`. A scheme that
    reads only what twins share cannot tell them from their originals, however low its other error rates are.

    Args:
        fmr: false match rates at which to report true match rates. Rates that the data cannot resolve are refused
            with a note.
        ranks: number of ranks of the cumulative match curve.
        repeats: bootstrap samples over identities.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    def __init__(
        self,
        fmr: Annotated[Sequence[Annotated[float, Gt(0), Lt(1)]], MinLen(1)] = (0.01, 0.001),
        ranks: Count = 20,
        repeats: Annotated[Count, Ge(10)] = 200,
    ) -> None:
        self.fmr, self.ranks, self.repeats = list(fmr), ranks, repeats

    def examine(
        self, model: TemplateScheme, data: Identities, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Run the evaluation and return its findings."""
        rng = np.random.default_rng(seeds)
        keys = draw_user_keys(data.enrolment.identities, rng)
        findings = Findings("Verification and identification")
        people = len(np.unique(data.enrolment.identities))
        errors: list[Curve] = []
        matches: list[Curve] = []
        for scenario, label in SCENARIOS.items():
            matrix = compare_probes(model, data.probe, data.enrolment, keys, scenario)
            comparisons = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
            resolved, refused = self._split_by_resolution(comparisons)
            findings.metrics |= self._measure_rates(comparisons, resolved, scenario, rng)
            findings.notes += [f"Refused with {label}: {reason}." for reason in refused]
            errors.append(_error_curve(comparisons, label))
            probe_ranks = ranks(matrix, data.probe.identities, data.enrolment.identities)
            first = (probe_ranks == 1).astype(float)
            findings.metrics[f"rank1_{scenario}"] = over_identities(first, data.probe.identities, rng)
            most = min(self.ranks, people)
            matches.append(Curve(label, list(range(1, most + 1)), cmc(probe_ranks, most).tolist()))
        if data.twins is not None:  # the last scenario is that of stolen keys
            rates = error_rates(comparisons.scores, comparisons.mated)
            thresholds = {fmr: at_fmr(rates, fmr).threshold for fmr in resolved}
            twins = compare_twins(model, data.twins, data.enrolment, keys)
            findings.metrics |= measure_twins(*twins, comparisons, thresholds, rng, self.repeats)
        findings.metrics["people"] = Metric.exact(people)
        if not model.keyed:
            findings.notes.append("The templates have no key: both scenarios are the same.")
        findings.figures += [
            Figure("Error rates", "false match rate", "false non-match rate", errors, log_x=True),
            Figure("Identification", "rank", "share of probes found", matches),
        ]
        return findings

    def _split_by_resolution(self, comparisons: Comparisons) -> tuple[list[float], list[str]]:
        """Return the false match rates that the comparisons resolve, and the reasons to refuse the others."""
        impostors = int((~comparisons.mated).sum())
        reasons = {fmr: refusal(impostors, fmr) for fmr in self.fmr}
        return [fmr for fmr, reason in reasons.items() if not reason], [reason for reason in reasons.values() if reason]

    def _measure_rates(
        self, comparisons: Comparisons, resolved: list[float], scenario: str, rng: np.random.Generator
    ) -> dict[str, Metric]:
        def statistics(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
            rates = error_rates(scores, mated, weights)
            return [equal_error_rate(rates), *(at_fmr(rates, fmr).tmr for fmr in resolved)]

        eer, *tmrs = bootstrap(comparisons, statistics, rng, self.repeats)
        metrics = {f"eer_{scenario}": eer}
        return metrics | {f"tmr_at_{fmr:g}_{scenario}": metric for fmr, metric in zip(resolved, tmrs, strict=True)}


def _error_curve(comparisons: Comparisons, label: str) -> Curve:
    rates = error_rates(comparisons.scores, comparisons.mated)
    shown = np.unique(np.geomspace(1, len(rates.fmr) - 1, POINTS).astype(int))[::-1]
    shown = shown[rates.fmr[-1 - shown] > 0]
    return Curve(label, rates.fmr[-1 - shown].tolist(), rates.fnmr[-1 - shown].tolist())
