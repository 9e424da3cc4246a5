"""Measures what a deployment of a template scheme needs: image size, thresholds, storage, keys and time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import Count
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import compare_probes, draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.store.fingerprint import fingerprint
from veilbench.families.templates.store.gallery import Gallery
from veilbench.families.templates.store.packing import Packing
from veilbench.families.templates.store.recogniser import MODEL, TABLE, THRESHOLD
from veilbench.metrics.biometric import Comparisons, at_fmr, bootstrap, error_rates, refusal

KEY_BITS = 64


class Deployment(Evaluation):
    """Measures what `template verify` and `identify` need, and what ISO/IEC 30136 requires besides error rates.

    Thresholds are calibrated on the test's probes and enrolled impressions in the stolen-token scenario: impostors use
    the key of the person whom they claim to be. Their intervals are a bootstrap over identities. The templates and
    comparisons per second depend on the machine, and are recorded with the costs.

    `different_templates` is the number of distinct templates of one sample under `keys` random keys. It equals `keys`
    if the key space is large, and is smaller if a key only selects one of a few templates.

    Args:
        fmr: false match rates to find thresholds for. Rates that the data cannot resolve are refused with a note.
        keys: number of keys drawn for `different_templates`.
        repeats: bootstrap samples over identities.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    def __init__(
        self,
        fmr: Annotated[Sequence[Annotated[float, Gt(0), Lt(1)]], MinLen(1)] = (0.01, 0.001),
        keys: Annotated[Count, Ge(2)] = 200,
        repeats: Annotated[Count, Ge(10)] = 200,
    ) -> None:
        self.fmr, self.keys, self.repeats = list(fmr), keys, repeats

    def examine(
        self, model: TemplateScheme, data: Identities, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Run the evaluation and return its findings."""
        rng = np.random.default_rng(seeds)
        findings = Findings("Deployment")
        findings.tables.append(Table(TABLE, ["", "fingerprint"], [[MODEL, fingerprint(model)]]))
        if data.has_images:
            height, width = data.shape[1:]
            findings.metrics |= {"image_height": Metric.exact(height), "image_width": Metric.exact(width)}
        self._report_thresholds(findings, model, data, rng)
        self._report_storage(findings, model, data, rng)
        return findings

    def _report_thresholds(
        self, findings: Findings, model: TemplateScheme, data: Identities, rng: np.random.Generator
    ) -> None:
        keys = draw_user_keys(data.enrolment.identities, rng)
        matrix = compare_probes(model, data.probe, data.enrolment, keys, "stolen_token")
        comparisons = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
        impostors = int((~comparisons.mated).sum())
        refused = {fmr: reason for fmr in self.fmr if (reason := refusal(impostors, fmr))}
        findings.notes += [f"Refused: {reason}." for reason in refused.values()]
        resolved = [fmr for fmr in self.fmr if fmr not in refused]
        above_all = float(np.nextafter(comparisons.scores.max(), np.float32(np.inf)))

        def statistics(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
            rates = error_rates(scores, mated, weights)
            return [min(at_fmr(rates, fmr).threshold, above_all) for fmr in resolved]

        for fmr, metric in zip(resolved, bootstrap(comparisons, statistics, rng, self.repeats), strict=True):
            findings.metrics[f"{THRESHOLD}{fmr:g}"] = replace(metric, unit="")

    def _report_storage(
        self, findings: Findings, model: TemplateScheme, data: Identities, rng: np.random.Generator
    ) -> None:
        samples = data.probe.samples
        keys = np.full(len(samples), rng.integers(0, 2**64, dtype=np.uint64))
        templates = model.enroll(samples, keys)
        packing = Packing.of(model, templates)
        rows = packing.pack(templates)
        findings.metrics["template_bytes"] = Metric.exact(packing.row_bytes)
        findings.metrics["key_bits"] = Metric.exact(KEY_BITS if model.keyed else 0)
        random_keys = rng.integers(0, 2**64, self.keys, dtype=np.uint64)
        renewed_rows = packing.pack(model.protect(np.repeat(model.features(samples[:1]), self.keys, 0), random_keys))
        findings.metrics["different_templates"] = Metric.exact(len(np.unique(renewed_rows, axis=0)), self.keys)
        gallery = Gallery(model, packing, rows)
        findings.cost["templates_per_second"] = len(samples) / _measure_seconds(lambda: model.enroll(samples, keys))
        findings.cost["comparisons_per_second"] = len(rows) ** 2 / _measure_seconds(lambda: gallery.nearest(rows, 1))


def _measure_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest time of several runs, in seconds, because other load only makes a run slower."""
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return float(best)
