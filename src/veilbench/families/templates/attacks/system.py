"""The recognition system under attack: who is enrolled, and at which thresholds it accepts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import scores, user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.biometric import Comparisons, at_fmr, error_rates, refusal

FEWEST = 10  # auxiliary impressions needed to learn from


@dataclass(frozen=True)
class TemplateSystem:
    """A deployed scheme as attackers see it: one enrolled template of each victim.

    Thresholds are calibrated in the stolen-token scenario: impostors present their own image with the victim's key, so
    an impostor is accepted with a probability equal to the false match rate. Reconstructions are presented likewise.

    Attributes:
        scheme: scheme that makes and compares the templates.
        victims: enrolled impressions of the n victims.
        others: another impression of each victim, in the same order.
        keys: keys of the victims, shape (n,), uint64.
        templates: enrolled templates, the target of the attacks, shape (n, ...).
        thresholds: maps a false match rate to the score from which a probe is accepted.
        reference_fmr: false match rate that decisions use if none is named, a key of `thresholds`.
        refused: why a requested false match rate has no threshold, one line each.
    """

    scheme: TemplateScheme
    victims: Impressions
    others: Impressions
    keys: np.ndarray
    templates: np.ndarray
    thresholds: dict[float, float]
    reference_fmr: float
    refused: list[str]

    @property
    def threshold(self) -> float:
        """Score from which a probe is accepted at the reference false match rate."""
        return self.thresholds[self.reference_fmr]

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Return the match score of one image per victim with the template, under the victim's key; shape (n,)."""
        return self.scheme.compare(self.scheme.enroll(images, self.keys), self.templates)

    def accepted(self, images: np.ndarray, fmr: float | None = None) -> np.ndarray:
        """Return whether one image per victim is accepted as that victim's; shape (n,), bool."""
        return np.asarray(self.scores(images) >= self.thresholds[fmr or self.reference_fmr])

    def accepted_features(self, features: np.ndarray, fmr: float | None = None) -> np.ndarray:
        """Return whether one feature vector per victim is accepted, as `accepted` does for images; shape (n,), bool."""
        scores = self.scheme.compare(self.scheme.protect(features, self.keys), self.templates)
        return np.asarray(scores >= self.thresholds[fmr or self.reference_fmr])

    def subset(self, rows: np.ndarray) -> TemplateSystem:
        """Return the system restricted to some of the victims, by their indices or by a mask."""
        victims, others = self.victims.chosen(rows), self.others.chosen(rows)
        return replace(self, victims=victims, others=others, keys=self.keys[rows], templates=self.templates[rows])

    def enrol(self, victims: Impressions, keys: np.ndarray) -> TemplateSystem:
        """Return the system with other enrolled impressions, under these keys of shape (n,)."""
        return replace(self, victims=victims, keys=keys, templates=self.scheme.enroll(victims.images, keys))

    def renew_keys(self, rng: np.random.Generator) -> TemplateSystem:
        """Return the system with the same impressions enrolled under new random keys."""
        return self.enrol(self.victims, rng.integers(0, 2**64, len(self.keys), dtype=np.uint64))


def enrol_victims(
    scheme: TemplateScheme, data: Identities, operating_point: OperatingPoint, rng: np.random.Generator
) -> TemplateSystem:
    """Enrol the test identities, set the thresholds with their probes, and draw the victims.

    Args:
        scheme: scheme with trained weights, ready for use.
        data: identities, split into roles.
        operating_point: false match rates of the system, and number of victims.
        rng: source of the keys and of the choice of victims.

    Raises:
        UserError: too few comparisons of two identities for the reference false match rate.
    """
    fmrs, reference = operating_point.fmr, operating_point.reference_fmr
    keys = user_keys(data.enrolment.identities, rng)
    matrix = scores(scheme, data.probe, data.enrolment, keys, "stolen_token")
    comparisons = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
    impostors, rates = int((~comparisons.mated).sum()), error_rates(comparisons.scores, comparisons.mated)
    reasons = {fmr: reason for fmr in fmrs if (reason := refusal(impostors, fmr))}
    if reference in reasons:
        raise UserError(f"attacks on templates need a threshold: {reasons[reference]}")
    thresholds = {fmr: at_fmr(rates, fmr).threshold for fmr in fmrs if fmr not in reasons}
    rows = np.sort(rng.permutation(first_of_each(data.enrolment.identities))[: operating_point.most_victims])
    victims = data.enrolment.chosen(rows)
    probes = data.probe.chosen(first_of_each(data.probe.identities))
    others = probes.chosen(np.searchsorted(probes.identities, victims.identities))
    templates = scheme.enroll(victims.images, keys[rows])
    refused = list(reasons.values())
    return TemplateSystem(scheme, victims, others, keys[rows], templates, thresholds, reference, refused)


def split_auxiliary(
    impressions: Impressions, share: float, rng: np.random.Generator
) -> tuple[Impressions, Impressions]:
    """Split the attacker's impressions by identity into a training part and a held-out part.

    Args:
        impressions: auxiliary impressions, the attacker's own.
        share: share of the identities to hold out, in (0, 1).
        rng: source of the split.

    Raises:
        UserError: too few impressions in either part.
    """
    people = rng.permutation(np.unique(impressions.identities))
    held = np.isin(impressions.identities, people[: max(1, round(share * len(people)))])
    known, held_out = impressions.chosen(~held), impressions.chosen(held)
    if len(known) < FEWEST or len(held_out) < 2:
        raise UserError(
            f"the attacker needs {FEWEST} auxiliary impressions to learn from and 2 of other identities to hold out, "
            f"got {len(known)} and {len(held_out)}"
        )
    return known, held_out


def first_of_each(identities: np.ndarray) -> np.ndarray:
    """Return the index of each identity's first row, by ascending identity."""
    return np.asarray(np.unique(identities, return_index=True)[1])
