"""Which distances do templates preserve, and how many people can they distinguish?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.metrics.biometric import Comparisons
from veilbench.metrics.intervals import mean
from veilbench.metrics.uniqueness import collisions, degrees_of_freedom, effective_bits, nearest_strangers


class DistancePreservation(Evaluation):
    """Measures rank correlations of image and template distances; collisions, effective bits and nearest strangers.

    All templates are made with one key, because only those can be compared: what a key adds is not measured here. The
    correlations are Spearman's. Their intervals come from a bootstrap over identities that keeps the ranks.

    Effective bits are Daugman's, for bits; real-valued templates are first compared with their medians to get bits.
    They measure the spread of strangers' distances, not how hard a template is to guess.

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
        images = np.concatenate([data.enrolment.images, data.probe.images])
        people = np.r_[data.enrolment.identities, data.probe.identities]
        rows = np.sort(rng.permutation(len(people))[: self.images])
        images, people = images[rows], people[rows]
        templates = model.enroll(images, np.full(len(images), user_keys(people[:1], rng)[0]))
        alike = model.compare_all(templates, templates)
        found = Findings("Distances and uniqueness")
        self._kept(found, alike, images, people, rng)
        self._unique(found, model, templates, alike, people)
        return found

    def _kept(self, found: Findings, alike: np.ndarray, images: np.ndarray, people: np.ndarray, rng: object) -> None:
        assert isinstance(rng, np.random.Generator)
        first, second = np.triu_indices(len(people), 1)
        strangers = people[first] != people[second]
        inputs = {"pixels": Extractor("pixels", None)}
        if min(images.shape[2:]) >= 12:
            inputs["orientation"] = Extractor("orientation", None)
        for name, extractor in inputs.items():
            rows = extractor(images)
            similar = (rows @ rows.T)[first, second]
            for whom, chosen in (("all", np.ones_like(strangers)), ("strangers", strangers)):
                pairs = first[chosen], second[chosen]
                metric = correlated(similar[chosen], alike[first, second][chosen], pairs, people, rng, self.repeats)
                found.metrics[f"rank_correlation_{name}_{whom}"] = metric

    def _unique(
        self, found: Findings, model: TemplateScheme, templates: np.ndarray, alike: np.ndarray, people: np.ndarray
    ) -> None:
        same, pairs = collisions(templates, people)
        found.metrics |= {"collisions": Metric.exact(same), "pairs_of_strangers": Metric.exact(pairs)}
        bits = templates if model.binary else templates > np.median(templates, 0)
        distances = (bits[:, None] != bits[None]).mean(2)[people[:, None] != people[None]]
        if distances.std() == 0:
            found.notes.append("All strangers are equally far from each other: there are no effective bits to count.")
        else:
            found.metrics["degrees_of_freedom"] = Metric.exact(degrees_of_freedom(distances), len(people))
            found.metrics["effective_bits"] = Metric.exact(effective_bits(distances), len(people))
        comparisons = Comparisons.of_all(alike, people, people)
        nearest = np.sort(nearest_strangers(comparisons, len(people)))
        found.metrics["nearest_stranger"] = mean(
            [nearest_of.max() for nearest_of in of_each(alike, people)], unit="", of="people"
        )
        shares = ((1 + np.arange(len(nearest))) / len(nearest)).tolist()
        curve = Curve("nearest stranger", nearest.tolist(), shares)
        found.figures.append(Figure("Nearest strangers", "similarity", "share of templates", [curve]))


def of_each(alike: np.ndarray, people: np.ndarray) -> list[np.ndarray]:
    """Return the similarities of each person's templates with all strangers' templates."""
    return [alike[people == who][:, people != who].ravel() for who in np.unique(people)]


def correlated(
    x: np.ndarray,
    y: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    people: np.ndarray,
    rng: np.random.Generator,
    repeats: int,
) -> Metric:
    """Compute Spearman's correlation over pairs of images, with a bootstrap interval over people.

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
    distinct, where = np.unique(people, return_inverse=True)
    first, second = where[pairs[0]], where[pairs[1]]
    value, drawn = weighted_correlation(ranks, np.ones(len(x))), list[float]()
    for times in rng.multinomial(len(distinct), np.full(len(distinct), 1 / len(distinct)), repeats):
        weights = np.where(first == second, times[first], times[first] * times[second]).astype(float)
        drawn.append(weighted_correlation(ranks, weights))
    low, high = np.quantile(drawn, [0.025, 0.975])
    label = "bootstrap over identities, 95 %"
    return Metric(value, min(float(low), value), max(float(high), value), len(distinct), label)


def weighted_correlation(rows: np.ndarray, weights: np.ndarray) -> float:
    """Return Pearson's weighted correlation of two rows, shape (2, n); 0 if one of them is constant."""
    centred = rows - (rows @ weights / weights.sum())[:, None]
    covariance = (centred * weights) @ centred.T
    spread = np.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(covariance[0, 1] / spread) if spread > 0 else 0.0
