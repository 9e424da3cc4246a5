"""Measures which distances templates preserve, and how many people they can distinguish."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.wrapped.embedding_extractor import EmbeddingExtractor
from veilbench.metrics.biometric import Comparisons
from veilbench.metrics.intervals import mean
from veilbench.metrics.uniqueness import collisions, degrees_of_freedom, effective_bits, nearest_strangers


class DistancePreservation(Evaluation):
    """Measures rank correlations of image and template distances, collisions, effective bits and nearest strangers.

    All templates use the same key, because only those are comparable; what separate keys add is not measured here. The
    correlations are Spearman's, with bootstrap intervals over identities that do not recompute the ranks.

    Effective bits are Daugman's, computed from the distances between strangers' bits. Real-valued templates are
    binarised at their medians first. Effective bits do not measure how hard a template is to guess.

    Args:
        images: maximum number of test images to compare with each other.
        repeats: bootstrap samples over identities.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    def __init__(self, images: Annotated[Count, Ge(10)] = 400, repeats: Annotated[Count, Ge(10)] = 200) -> None:
        self.images, self.repeats = images, repeats

    def examine(
        self, model: TemplateScheme, data: Identities, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Run the evaluation and return its findings."""
        rng = np.random.default_rng(seeds)
        samples = np.concatenate([data.enrolment.samples, data.probe.samples])
        people = np.r_[data.enrolment.identities, data.probe.identities]
        rows = np.sort(rng.permutation(len(people))[: self.images])
        samples, people = samples[rows], people[rows]
        templates = model.enroll(samples, np.full(len(samples), draw_user_keys(people[:1], rng)[0]))
        similarity = model.compare_all(templates, templates)
        findings = Findings("Distances and uniqueness")
        self._report_correlations(findings, similarity, samples, people, rng)
        self._report_uniqueness(findings, model, templates, similarity, people)
        return findings

    def _report_correlations(
        self, findings: Findings, similarity: np.ndarray, samples: np.ndarray, people: np.ndarray, rng: object
    ) -> None:
        assert isinstance(rng, np.random.Generator)
        first, second = np.triu_indices(len(people), 1)
        strangers = people[first] != people[second]
        for name, extractor in _input_extractors(samples.shape[1:]).items():
            rows = extractor(samples)
            input_similarity = (rows @ rows.T)[first, second]
            for group, selected in (("all", np.ones_like(strangers)), ("strangers", strangers)):
                pairs = first[selected], second[selected]
                metric = rank_correlation(
                    input_similarity[selected], similarity[first, second][selected], pairs, people, rng, self.repeats
                )
                findings.metrics[f"rank_correlation_{name}_{group}"] = metric

    def _report_uniqueness(
        self,
        findings: Findings,
        model: TemplateScheme,
        templates: np.ndarray,
        similarity: np.ndarray,
        people: np.ndarray,
    ) -> None:
        same, pairs = collisions(templates, people)
        findings.metrics |= {"collisions": Metric.exact(same), "pairs_of_strangers": Metric.exact(pairs)}
        bits = templates if model.binary else templates > np.median(templates, 0)
        distances = (bits[:, None] != bits[None]).mean(2)[people[:, None] != people[None]]
        if distances.std() == 0:
            findings.notes.append(
                "All strangers are equally far from each other: there are no effective bits to count."
            )
        else:
            findings.metrics["degrees_of_freedom"] = Metric.exact(degrees_of_freedom(distances), len(people))
            findings.metrics["effective_bits"] = Metric.exact(effective_bits(distances), len(people))
        comparisons = Comparisons.of_all(similarity, people, people)
        nearest = np.sort(nearest_strangers(comparisons, len(people)))
        findings.metrics["nearest_stranger"] = mean(
            [nearest_of.max() for nearest_of in similarities_to_strangers(similarity, people)], unit="", of="people"
        )
        shares = ((1 + np.arange(len(nearest))) / len(nearest)).tolist()
        curve = Curve("nearest stranger", nearest.tolist(), shares)
        findings.figures.append(Figure("Nearest strangers", "similarity", "share of templates", [curve]))


def _input_extractors(shape: tuple[int, ...]) -> dict[str, Extractor]:
    """Return extractors of the inputs that templates are compared with, for samples of one shape."""
    if len(shape) == 1:
        return {"embeddings": EmbeddingExtractor()}
    inputs: dict[str, Extractor] = {"pixels": ImageExtractor("pixels", None)}
    return inputs | ({"orientation": ImageExtractor("orientation", None)} if min(shape[1:]) >= 12 else {})


def similarities_to_strangers(similarity: np.ndarray, people: np.ndarray) -> list[np.ndarray]:
    """Return, for each person, the similarities of their templates with the templates of all other people."""
    return [similarity[people == person][:, people != person].ravel() for person in np.unique(people)]


def rank_correlation(
    x: np.ndarray,
    y: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    people: np.ndarray,
    rng: np.random.Generator,
    repeats: int,
) -> Metric:
    """Compute Spearman's rank correlation over pairs of images, with a bootstrap interval over people.

    Args:
        x: first measure of each pair, shape (pairs,).
        y: second measure of each pair, shape (pairs,).
        pairs: indices of both images of each pair, each of shape (pairs,).
        people: identity of each image, shape (images,).
        rng: source of the bootstrap samples.
        repeats: number of bootstrap samples.
    """
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(x), rankdata(y)])
    distinct, person = np.unique(people, return_inverse=True)
    first, second = person[pairs[0]], person[pairs[1]]
    value, samples = weighted_correlation(ranks, np.ones(len(x))), list[float]()
    for counts in rng.multinomial(len(distinct), np.full(len(distinct), 1 / len(distinct)), repeats):
        weights = np.where(first == second, counts[first], counts[first] * counts[second]).astype(float)
        samples.append(weighted_correlation(ranks, weights))
    low, high = np.quantile(samples, [0.025, 0.975])
    label = "bootstrap over identities, 95 %"
    return Metric(value, min(float(low), value), max(float(high), value), len(distinct), label)


def weighted_correlation(rows: np.ndarray, weights: np.ndarray) -> float:
    """Return Pearson's weighted correlation of two rows, shape (2, n); 0 if one of them is constant."""
    centred = rows - (rows @ weights / weights.sum())[:, None]
    covariance = (centred * weights) @ centred.T
    spread = np.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(covariance[0, 1] / spread) if spread > 0 else 0.0
