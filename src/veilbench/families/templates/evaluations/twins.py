"""Twins as impostors: people who share another person's coarse features, such as the directions of the ridges."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from veilbench.bench.findings import Metric
from veilbench.families.templates.data.identities import Impressions
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.anomaly import Ranking
from veilbench.metrics.biometric import Comparisons, interval, over_identities


def compare_twins(
    scheme: TemplateScheme, twins: Impressions, enrolment: Impressions, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare each sample of a twin with the enrolled templates of the twin's original, under the original's key.

    Args:
        scheme: scheme that makes and compares the templates.
        twins: samples of twins, under their originals' numbers.
        enrolment: impressions that are enrolled as templates.
        keys: key of each enrolled impression, shape (enrolled,), uint64.

    Returns:
        Scores, shape (n,), and the original's identity of each, shape (n,).
    """
    sample, original = np.nonzero(twins.identities[:, None] == enrolment.identities)
    presented = scheme.protect(scheme.features(twins.samples)[sample], keys[original])
    enrolled = scheme.enroll(enrolment.samples, keys)
    return scheme.compare(presented, enrolled[original]), enrolment.identities[original]


def measure_twins(
    scores: np.ndarray,
    identities: np.ndarray,
    comparisons: Comparisons,
    thresholds: Mapping[float, float],
    rng: np.random.Generator,
    repeats: int,
) -> dict[str, Metric]:
    """Measure how well a scheme tells people from their twins.

    Args:
        scores: scores of twins against their originals' templates, shape (n,).
        identities: the originals' identities, shape (n,).
        comparisons: comparisons of probes with enrolled templates; the mated ones are compared with the twins'.
        thresholds: maps a false match rate among strangers to the score from which a probe is accepted.
        rng: source of the bootstrap samples.
        repeats: bootstrap samples over identities.

    Returns:
        `twin_auroc`, the AUROC of mated comparisons against twins; and for each threshold `twin_accepted_at_<FMR>`, the
        share of the twins' comparisons that are accepted, whose interval takes the threshold as given.
    """
    mated = comparisons.mated
    every = np.r_[comparisons.scores[mated], scores]
    people, where = np.unique(np.r_[comparisons.first[mated], identities], return_inverse=True)
    ranking = Ranking(every, np.arange(len(every)) < mated.sum())
    times = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), repeats)
    drawn = np.array([ranking.auroc(counts[where]) for counts in times])
    metrics = {"twin_auroc": interval(ranking.auroc(), drawn, len(people))}
    for fmr, threshold in thresholds.items():
        accepted = (scores >= threshold).astype(float)
        metrics[f"twin_accepted_at_{fmr:g}"] = over_identities(accepted, identities, rng)
    return metrics
