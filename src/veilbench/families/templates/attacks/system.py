"""The recognition system that attacks on templates are made against: who is enrolled, and when it accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import scores, user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.biometric import Comparisons, at_fmr, error_rates, refusal

FEWEST = 10  # auxiliary impressions that something is learned from


@dataclass(frozen=True)
class TemplateSystem:
    """A scheme at work, seen from its attackers: one enrolled template of each victim.

    Thresholds are those of strangers who claim an identity with its key. So does everybody who presents a
    reconstruction; and so a stranger's image is accepted with the chance that the false match rate says.

    Attributes:
        scheme: makes and compares the templates.
        victims: their enrolled impressions, n of them.
        others: another impression of each victim, in the same order.
        keys: shape (n,), uint64: the victims'.
        templates: shape (n, ...): what was enrolled, and is attacked.
        thresholds: false match rate -> score from which a probe is accepted.
        refused: why a demanded false match rate has no threshold, one line each.
    """

    scheme: TemplateScheme
    victims: Impressions
    others: Impressions
    keys: np.ndarray
    templates: np.ndarray
    thresholds: dict[float, float]
    refused: list[str]

    def scores(self, images: np.ndarray) -> np.ndarray:
        """How alike an image for each victim is to the template, under the victim's key; shape (n,)."""
        return self.scheme.compare(self.scheme.enroll(images, self.keys), self.templates)

    def accepted(self, images: np.ndarray, fmr: float) -> np.ndarray:
        """Whether the system takes an image for each victim as that victim's; shape (n,), bool."""
        return np.asarray(self.scores(images) >= self.thresholds[fmr])

    def accepted_features(self, features: np.ndarray, fmr: float) -> np.ndarray:
        """The same of features, for attackers who need no image."""
        return np.asarray(
            self.scheme.compare(self.scheme.protect(features, self.keys), self.templates) >= self.thresholds[fmr]
        )

    def chosen(self, rows: np.ndarray) -> TemplateSystem:
        """The same system with some of the victims, by their places or by a mask."""
        victims, others = self.victims.chosen(rows), self.others.chosen(rows)
        return replace(self, victims=victims, others=others, keys=self.keys[rows], templates=self.templates[rows])

    def enrolled_anew(self, victims: Impressions, keys: np.ndarray) -> TemplateSystem:
        """The same system after these impressions were enrolled under these keys."""
        return replace(self, victims=victims, keys=keys, templates=self.scheme.enroll(victims.images, keys))


def deployed(
    scheme: TemplateScheme, data: Identities, fmrs: Sequence[float], judged: float, most: int, rng: np.random.Generator
) -> TemplateSystem:
    """Enrol the test's identities, set the thresholds with its probes, and draw the victims.

    Args:
        scheme: ready for use.
        data: dealt.
        fmrs: false match rates that the system may work at.
        judged: the one that must be resolved.
        most: victims at most.
        rng: draws keys and victims.

    Raises:
        UserError: too few comparisons of two identities for the false match rate `judged`.
    """
    keys = user_keys(data.enrolment.identities, rng)
    matrix = scores(scheme, data.probe, data.enrolment, keys, "stolen")
    comparisons = Comparisons.of_all(matrix, data.probe.identities, data.enrolment.identities)
    impostors, rates = int((~comparisons.mated).sum()), error_rates(comparisons.scores, comparisons.mated)
    reasons = {fmr: reason for fmr in fmrs if (reason := refusal(impostors, fmr))}
    if judged in reasons:
        raise UserError(f"attacks on templates need a threshold: {reasons[judged]}")
    thresholds = {fmr: at_fmr(rates, fmr).threshold or 0.0 for fmr in fmrs if fmr not in reasons}
    rows = np.sort(rng.permutation(first_of_each(data.enrolment.identities))[:most])
    victims = data.enrolment.chosen(rows)
    probes = data.probe.chosen(first_of_each(data.probe.identities))
    others = probes.chosen(np.searchsorted(probes.identities, victims.identities))
    templates = scheme.enroll(victims.images, keys[rows])
    return TemplateSystem(scheme, victims, others, keys[rows], templates, thresholds, list(reasons.values()))


def divided(impressions: Impressions, share: float, rng: np.random.Generator) -> tuple[Impressions, Impressions]:
    """The attacker's impressions to learn from, and those of a share of the identities to choose by.

    Raises:
        UserError: too few of them.
    """
    people = rng.permutation(np.unique(impressions.identities))
    held = np.isin(impressions.identities, people[: max(1, round(share * len(people)))])
    known, held_out = impressions.chosen(~held), impressions.chosen(held)
    if len(known) < FEWEST or len(held_out) < 2:
        raise UserError(
            f"the attacker needs {FEWEST} auxiliary impressions to learn from and 2 of other identities to choose by, "
            f"got {len(known)} and {len(held_out)}"
        )
    return known, held_out


def first_of_each(identities: np.ndarray) -> np.ndarray:
    """The place of each identity's first row, by ascending identity."""
    return np.asarray(np.unique(identities, return_index=True)[1])
