"""Reconstructed images before another matcher than the one that was attacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.findings import Findings, Metric, Table
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.system import TemplateSystem, enrol_victims
from veilbench.families.templates.attacks.undecided import Undecidable
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme

MOST_JUDGED = 40  # victims; they give 1,560 comparisons of strangers, of which an FMR of 1 % is about 16


@dataclass(frozen=True)
class Judge:
    """A matcher with the victims' images enrolled, which says whether a reconstruction shows the victim.

    An image that the attacked system accepts need not look like the victim to anything else: it may only have met that
    system's features. A type I attack presents the image against the impression that the attacked template was made of,
    and a type II attack against another impression of the same person (Cappelli, Lumini, Maio and Maltoni 2007,
    "Fingerprint image reconstruction from standard templates").

    Attributes:
        first: system with the attacked impressions of the first `MOST_JUDGED` victims.
        second: the same with another impression of each.
    """

    first: TemplateSystem
    second: TemplateSystem

    @classmethod
    def of(cls, scheme: TemplateScheme, system: TemplateSystem, data: Identities, rng: np.random.Generator) -> Judge:
        """Enrol the victims of an attacked system at another matcher, at the attacked system's false match rate.

        Args:
            scheme: matcher that judges; fitted to the training samples here.
            system: the attacked system.
            data: identities, split into roles.
            rng: source of the random numbers of the fit and of the bootstrap.

        Raises:
            Undecidable: the victims are too few for a threshold.
        """
        seen, fmr = system.subset(np.arange(min(MOST_JUDGED, len(system.keys)))), system.reference_fmr
        victims = replace(data, enrolment=seen.victims, probe=seen.others)
        first = enrol_victims(scheme.fit(data, rng), victims, OperatingPoint((fmr,), fmr, len(seen.keys)), rng)
        return cls(first, first.enrol(first.others, first.keys))

    def report(self, findings: Findings, images: Mapping[str, np.ndarray], best: str) -> None:
        """Add the shares of images that the judge accepts, and a table of them.

        `judged_at_<FMR>` is that of the best attacker, and `judged_at_<FMR>_true_impression` that of true impressions,
        which tells how much the judge would accept at best.

        Args:
            findings: findings to add to.
            images: attacker or baseline -> one image per victim, shape (victims, c, h, w).
            best: attacker whose images the gain is measured on.
        """
        fmr, shares = self.first.reference_fmr, self._shares_accepted(images)
        table: list[list[str | float | Metric | None]] = []
        for name, pair in shares.items():
            for key, share in zip((f"judged_at_{fmr:g}", f"judged_other_at_{fmr:g}"), pair, strict=True):
                findings.metrics[f"{key}_{name}"] = share
                if name == best:
                    findings.metrics[key] = share
            table.append([name, *pair])
        true = self.first.share_accepted(self.first.score(self.first.others.images))
        findings.metrics[f"judged_at_{fmr:g}_true_impression"] = true
        table.append(["a true impression", true, None])
        judge = type(self.first.scheme).__name__
        columns = ["image", "type I: the enrolled impression", "type II: another impression"]
        findings.tables.append(Table(f"Accepted by another matcher, {judge}, at FMR {fmr:g}", columns, table))

    def _shares_accepted(self, images: Mapping[str, np.ndarray]) -> dict[str, list[Metric]]:
        """Return the share of each kind of images that is accepted as type I and as type II.

        All images are compared in one call, so that a matcher prepares each enrolled template only once.
        """
        scheme, keys, kinds = self.first.scheme, self.first.keys, len(images)
        stacked = np.concatenate([guess[: len(keys)] for guess in images.values()])
        presented = scheme.enroll(stacked, np.tile(keys, kinds))
        scores = [
            scheme.compare(presented, np.concatenate([one.templates] * kinds)).reshape(kinds, -1)
            for one in (self.first, self.second)
        ]
        systems = self.first, self.second
        return {
            name: [one.share_accepted(each[i]) for one, each in zip(systems, scores, strict=True)]
            for i, name in enumerate(images)
        }


def judge_images(
    findings: Findings,
    scheme: TemplateScheme,
    system: TemplateSystem,
    data: Identities,
    images: Mapping[str, np.ndarray],
    best: str,
    rng: np.random.Generator,
) -> None:
    """Report what another matcher accepts, or why it is not asked or cannot decide; see `Judge`."""
    if not system.accepts(images[best]).any():
        findings.notes.append(f"Not judged by {type(scheme).__name__}: the attacked system itself accepts no image.")
        return
    try:
        Judge.of(scheme, system, data, rng).report(findings, images, best)
    except Undecidable as why:
        findings.notes.append(f"Not judged by {type(scheme).__name__}: {why}.")
