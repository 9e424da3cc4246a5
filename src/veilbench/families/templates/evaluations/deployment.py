"""What deploying a template scheme takes: image size, thresholds, bytes, keys, time."""

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
from veilbench.families.templates.evaluations.verification import scores, user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.store.fingerprint import fingerprint
from veilbench.families.templates.store.gallery import Gallery
from veilbench.families.templates.store.packing import Packing
from veilbench.families.templates.store.recogniser import MODEL, TABLE, THRESHOLD
from veilbench.metrics.biometric import Comparisons, at_fmr, bootstrap, error_rates, refusal

KEY_BITS = 64


class Deployment(Evaluation):
    """Measures what `veilbench verify` and `identify` need, and what ISO/IEC 30136 requires besides error rates.

    A threshold is the score at which strangers who know the key of the person they claim to be are accepted at a false
    match rate, on the test's probes and enrolled impressions; its interval is a bootstrap over identities. Rates depend
    on the machine, and are recorded with the cost.

    `different_templates` counts the distinct templates of one image under `keys` keys: as many as there are keys if the
    key space is large, and fewer if the key chooses among a few templates.

    Args:
        fmr: false match rates to find thresholds for, as far as there are enough comparisons to resolve them.
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
        found = Findings("Deployment")
        found.tables.append(Table(TABLE, ["", "fingerprint"], [[MODEL, fingerprint(model)]]))
        height, width = data.shape[1:]
        found.metrics |= {"image_height": Metric.exact(height), "image_width": Metric.exact(width)}
        self._thresholds(found, model, data, rng)
        self._stored(found, model, data, rng)
        return found

    def _thresholds(self, found: Findings, model: TemplateScheme, data: Identities, rng: np.random.Generator) -> None:
        keys = user_keys(data.enrolment.identities, rng)
        matrix = scores(model, data.probe, data.enrolment, keys, "stolen_token")
        comparisons = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
        impostors = int((~comparisons.mated).sum())
        refused = {fmr: reason for fmr in self.fmr if (reason := refusal(impostors, fmr))}
        found.notes += [f"Refused: {reason}." for reason in refused.values()]
        resolved = [fmr for fmr in self.fmr if fmr not in refused]
        above_all = float(np.nextafter(comparisons.scores.max(), np.float32(np.inf)))

        def statistics(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
            rates = error_rates(scores, mated, weights)
            return [min(at_fmr(rates, fmr).threshold, above_all) for fmr in resolved]

        for fmr, metric in zip(resolved, bootstrap(comparisons, statistics, rng, self.repeats), strict=True):
            found.metrics[f"{THRESHOLD}{fmr:g}"] = replace(metric, unit="")

    def _stored(self, found: Findings, model: TemplateScheme, data: Identities, rng: np.random.Generator) -> None:
        images = data.probe.images
        keys = np.full(len(images), rng.integers(0, 2**64, dtype=np.uint64))
        made = model.enroll(images, keys)
        packing = Packing.of(model, made)
        rows = packing.packed(made)
        found.metrics["template_bytes"] = Metric.exact(packing.row_bytes)
        found.metrics["key_bits"] = Metric.exact(KEY_BITS if model.keyed else 0)
        many = rng.integers(0, 2**64, self.keys, dtype=np.uint64)
        renewed = packing.packed(model.protect(np.repeat(model.features(images[:1]), self.keys, 0), many))
        found.metrics["different_templates"] = Metric.exact(len(np.unique(renewed, axis=0)), self.keys)
        gallery = Gallery(model, packing, rows)
        found.cost["templates_per_second"] = len(images) / _seconds(lambda: model.enroll(images, keys))
        found.cost["comparisons_per_second"] = len(rows) ** 2 / _seconds(lambda: gallery.nearest(rows, 1))


def _seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest time of several runs: other load on the machine can only add to it."""
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return float(best)
