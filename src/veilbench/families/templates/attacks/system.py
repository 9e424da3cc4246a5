"""The recognition system under attack: enrolled victims, templates and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Metric
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.redrawn_thresholds import RedrawnThresholds
from veilbench.families.templates.attacks.undecided import Undecidable
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import compare_probes, draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.open_features import OpenFeatures
from veilbench.metrics.biometric import Comparisons, at_fmr, error_rates, refusal

FEWEST = 10  # minimum number of auxiliary impressions to train on


@dataclass(frozen=True)
class TemplateSystem:
    """A deployed template scheme with one enrolled template per victim.

    Thresholds are calibrated in the stolen-token scenario: impostors present their own image with the victim's key, and
    are accepted with a probability equal to the false match rate. Attackers present their images in the same way.

    Attributes:
        scheme: scheme that makes and compares the templates.
        victims: enrolled impressions of the n victims.
        others: another impression of each victim, in the same order.
        keys: keys of the victims, shape (n,), uint64.
        templates: enrolled templates, the target of the attacks, shape (n, ...).
        thresholds: maps a false match rate to the score from which a probe is accepted.
        reference_fmr: false match rate that decisions use if none is named, a key of `thresholds`.
        refused: reason for each requested false match rate that has no threshold.
        redrawn: the thresholds of bootstrap samples of the people.
    """

    scheme: TemplateScheme
    victims: Impressions
    others: Impressions
    keys: np.ndarray
    templates: np.ndarray
    thresholds: dict[float, float]
    reference_fmr: float
    refused: list[str]
    redrawn: RedrawnThresholds

    @property
    def threshold(self) -> float:
        """Score from which a probe is accepted at the reference false match rate."""
        return self.thresholds[self.reference_fmr]

    def score(self, images: np.ndarray) -> np.ndarray:
        """Return the match score of one image per victim, shape (n, c, h, w), under the victim's key; shape (n,)."""
        return self.scheme.compare(self.scheme.enroll(images, self.keys), self.templates)

    def score_features(self, features: np.ndarray) -> np.ndarray:
        """Return the match score of one feature vector per victim, shape (n, d), as `score` does for images."""
        return self.scheme.compare(self.scheme.protect(features, self.keys), self.templates)

    def share_accepted(self, scores: np.ndarray, fmr: float | None = None, confidence: float = 0.95) -> Metric:
        """Return the share of match scores, shape (n,), that are accepted; the interval includes the threshold's."""
        rate = fmr or self.reference_fmr
        return self.redrawn.share_accepted(scores, rate, self.thresholds[rate], confidence)

    def accepts(self, images: np.ndarray, fmr: float | None = None) -> np.ndarray:
        """Return whether one image per victim is accepted as that victim's; shape (n,), bool."""
        return np.asarray(self.score(images) >= self.thresholds[fmr or self.reference_fmr])

    def accepts_features(self, features: np.ndarray, fmr: float | None = None) -> np.ndarray:
        """Return whether one feature vector per victim is accepted, as `accepts` does for images; shape (n,), bool."""
        return np.asarray(self.score_features(features) >= self.thresholds[fmr or self.reference_fmr])

    def subset(self, rows: np.ndarray) -> TemplateSystem:
        """Return the system restricted to some of the victims, by their indices or by a mask."""
        victims, others = self.victims.subset(rows), self.others.subset(rows)
        keys, templates, redrawn = self.keys[rows], self.templates[rows], self.redrawn.subset(rows)
        return replace(self, victims=victims, others=others, keys=keys, templates=templates, redrawn=redrawn)

    def enrol(self, victims: Impressions, keys: np.ndarray) -> TemplateSystem:
        """Return the system with other impressions enrolled under the given keys, shape (n,)."""
        return replace(self, victims=victims, keys=keys, templates=self.scheme.enroll(victims.samples, keys))

    def show_strangers(self) -> TemplateSystem:
        """Return the system with each victim's template replaced by that of the next one under the victim's key.

        An attacker who sees these templates learns nothing about the victim who is attacked.
        """
        return self.enrol(self.victims.subset(np.roll(np.arange(len(self.keys)), 1)), self.keys)

    def renew_keys(self, rng: np.random.Generator) -> TemplateSystem:
        """Return the system with the same impressions enrolled under new random keys."""
        return self.enrol(self.victims, rng.integers(0, 2**64, len(self.keys), dtype=np.uint64))


def enrol_victims(
    scheme: TemplateScheme, data: Identities, operating_point: OperatingPoint, rng: np.random.Generator
) -> TemplateSystem:
    """Enrol the test identities, calibrate the thresholds on their probes, and draw the victims.

    Args:
        scheme: scheme with trained weights, ready for use.
        data: identities, split into roles.
        operating_point: false match rates of the system, and number of victims.
        rng: source of the keys and of the choice of victims.

    Raises:
        Undecidable: there are too few impostor comparisons for the reference false match rate, or no score is that
            rare among them.
    """
    fmrs, reference = operating_point.fmr, operating_point.reference_fmr
    keys = draw_user_keys(data.enrolment.identities, rng)
    matrix = compare_probes(scheme, data.probe, data.enrolment, keys, "stolen_token")
    comparisons = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
    thresholds, reasons = find_thresholds(comparisons, fmrs)
    if reference in reasons:
        raise Undecidable(f"operating_point.reference_fmr={reference:g} has no threshold: {reasons[reference]}")
    rows = np.sort(rng.permutation(first_row_of_each(data.enrolment.identities))[: operating_point.most_victims])
    victims = data.enrolment.subset(rows)
    probes = data.probe.subset(first_row_of_each(data.probe.identities))
    others = probes.subset(np.searchsorted(probes.identities, victims.identities))
    templates, refused = scheme.enroll(victims.samples, keys[rows]), list(reasons.values())
    redrawn = RedrawnThresholds.draw(comparisons, victims.identities, list(thresholds), rng)
    return TemplateSystem(scheme, victims, others, keys[rows], templates, thresholds, reference, refused, redrawn)


def disclose_features(system: TemplateSystem, data: Identities, rng: np.random.Generator) -> TemplateSystem:
    """Return a system with the same victims that stores their features without protection.

    Args:
        system: the system with protected templates.
        data: identities, on whose probes the thresholds are calibrated.
        rng: source of the bootstrap.
    """
    openly = OpenFeatures.of(system.scheme)
    matrix = compare_probes(
        openly, data.probe, data.enrolment, draw_user_keys(data.enrolment.identities, rng), "stolen_token"
    )
    comparisons = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
    thresholds = find_thresholds(comparisons, list(system.thresholds))[0]
    redrawn = RedrawnThresholds.draw(comparisons, system.victims.identities, list(thresholds), rng)
    changed = replace(system, scheme=openly, thresholds=thresholds, redrawn=redrawn)
    return changed.enrol(system.victims, system.keys)


def find_thresholds(comparisons: Comparisons, fmrs: Sequence[float]) -> tuple[dict[float, float], dict[float, str]]:
    """Return the threshold of each false match rate that has one, and the reason for each that has none."""
    impostors, rates = int((~comparisons.mated).sum()), error_rates(comparisons.scores, comparisons.mated)
    thresholds: dict[float, float] = {}
    reasons: dict[float, str] = {}
    for fmr in fmrs:
        threshold = at_fmr(rates, fmr).threshold
        if reason := refusal(impostors, fmr):
            reasons[fmr] = reason
        elif np.isfinite(threshold):
            thresholds[fmr] = threshold
        else:
            highest = f"the highest of {len(rates.thresholds) - 1:,} distinct scores is that of {rates.fmr[-2]:.3g}"
            reasons[fmr] = f"FMR {fmr:g} would reject everybody, because {highest} of the strangers"
    return thresholds, reasons


def split_auxiliary(
    impressions: Impressions, share: float, rng: np.random.Generator
) -> tuple[Impressions, Impressions]:
    """Split the attacker's impressions by identity into a training part and a held-out part.

    Args:
        impressions: auxiliary impressions, the attacker's own.
        share: share of the identities to hold out, in (0, 1).
        rng: source of the random split.

    Returns:
        The training part and the held-out part.

    Raises:
        UserError: there are too few impressions in one of the parts.
    """
    people = rng.permutation(np.unique(impressions.identities))
    is_held_out = np.isin(impressions.identities, people[: max(1, round(share * len(people)))])
    training, held_out = impressions.subset(~is_held_out), impressions.subset(is_held_out)
    if len(training) < FEWEST or len(held_out) < 2:
        raise UserError(
            f"the attacker needs {FEWEST} auxiliary impressions to learn from and 2 of other identities to hold out, "
            f"got {len(training)} and {len(held_out)}"
        )
    return training, held_out


def held_out_system(system: TemplateSystem, impressions: Impressions, rng: np.random.Generator) -> TemplateSystem:
    """Return the same system with the attacker's held-out impressions enrolled, under new random keys."""
    return replace(system, others=impressions).enrol(impressions, draw_user_keys(impressions.identities, rng))


def first_row_of_each(identities: np.ndarray) -> np.ndarray:
    """Return the index of the first row of each identity, in ascending order of identities."""
    return np.asarray(np.unique(identities, return_index=True)[1])


def refuse_constant_scores(scheme: TemplateScheme, images: np.ndarray) -> None:
    """Reject a scheme that gives any two different images the same match score.

    Args:
        scheme: scheme that makes and compares the templates.
        images: images of different people, shape (n, c, h, w).

    Raises:
        Undecidable: all scores are equal, so that the system recognises no one.
    """
    templates = scheme.enroll(images, np.zeros(len(images), np.uint64))
    scores = scheme.compare_all(templates, templates)[~np.eye(len(images), dtype=bool)]
    if len(scores) and scores.max() - scores.min() <= 1e-6 * max(1.0, abs(float(scores.max()))):
        raise Undecidable(f"all match scores of {len(images)} people are {scores.max():g}: nobody is recognised")
