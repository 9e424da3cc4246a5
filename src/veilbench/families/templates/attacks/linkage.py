"""Linkage: decide whether two templates under different keys belong to the same person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import BudgetCurve, Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.known_keys import FeatureEstimates
from veilbench.families.templates.attacks.learners import Learner, fit_classifier
from veilbench.families.templates.attacks.pair_features import Databases, PairFeatures
from veilbench.families.templates.attacks.system import first_row_of_each, split_auxiliary
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.open_features import OpenFeatures
from veilbench.metrics.biometric import Comparisons, error_rates
from veilbench.metrics.linkability import linkability
from veilbench.metrics.membership import auroc
from veilbench.metrics.resampled_auroc import ResampledAuroc

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

HELD_OUT = 0.3  # share of the auxiliary identities that choose the linker
MOST_PAIRS, CURVE_POINTS = 6000, 60  # training pairs of a linker; points of the curve
FEWEST_REPEATS = 1000  # the ends of a 99 % interval are then each beyond 5 of the bootstrap samples
LINKABILITY_REPEATS = 100  # bootstrap samples of D_sys, which has a 95 % interval and no verdict


class TemplateLinkage(TemplateAttack):
    """Trains a linker on pairs of auxiliary templates, and links the victims across two databases.

    In each database every person has their own key; with `reuse="person"` a person has the same key in both. If the
    threat model grants `key`, the attacker knows all these keys: they estimate the features behind each template, by
    `FeatureEstimates`, and link the estimates in place of the templates. The linker is a classifier of pairs. Its
    inputs are the products and absolute differences of the two templates' values, reduced to at most 64 principal
    components, and the scheme's own comparison score. Held-out identities choose between the classifiers and the
    comparison score alone. The gain is 2 AUROC - 1 over all pairs of the two databases, with a bootstrap interval over
    identities. D_sys (`metrics.linkability`) of each linker is reported too.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key` adds the keys of both
            databases.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        learners: kinds of classifiers to train; the one with the highest AUROC on held-out identities is used.
        reuse: "none" for different keys in the two databases, or "person" if each person has the same key in both.
        repeats: number of bootstrap samples over identities for the AUROC, at least 1,000.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    title = "Linkage of templates"
    threat_needs = ("ciphertext", "auxiliary_data", "own_keys")

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        learners: Annotated[Sequence[Learner], MinLen(1)] = ("linear", "mlp"),
        reuse: Literal["none", "person"] = "none",
        repeats: Annotated[Count, Ge(FEWEST_REPEATS)] = FEWEST_REPEATS,
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.learners, self.reuse, self.repeats = list(learners), reuse, repeats

    def variant(self) -> str:
        """Return whether people reuse their key, and whether the attacker knows the keys."""
        words = "keys reused" if self.reuse == "person" else "two keys"
        return f"{words}, known" if self.threat.key else words

    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Link the victims' templates; a control run skips D_sys and the figures.

        Raises:
            UserError: there are too few auxiliary identities to choose a classifier on.
        """
        training, held_out = self._split_people(data.auxiliary, rng)
        system = LinkedSystem.of(target, training if self.threat.key else None, self.reuse == "person", rng)
        features = PairFeatures(system.compared, system.enrol(*_split_impressions(training, rng), rng))
        linkers: dict[str, Pipeline] = {kind: self._fit_linker(kind, features, rng) for kind in self.learners}
        scorer = LinkScorer(features, linkers)
        chosen_on = system.enrol(*_split_impressions(held_out, rng), rng)
        areas = {kind: scorer.auroc(kind, chosen_on) for kind in scorer.kinds}
        best = max(areas, key=lambda kind: areas[kind])
        findings.notes.append(f"The gain is that of the linker {best}, the best one on held-out identities.")
        if best in self.learners:
            findings.budget = self._budget(best, features, chosen_on, 2 * areas[best] - 1, rng)
        victims, again = (part.subset(first_row_of_each(part.identities)) for part in (data.enrolment, data.probe))
        databases = system.enrol(victims, again, rng)
        for kind in scorer.kinds:
            self._report(findings, kind, scorer.compare(kind, databases), kind == best, rng, control)

    def _split_people(self, auxiliary: Impressions, rng: np.random.Generator) -> tuple[Impressions, Impressions]:
        """Split the attacker's people into those that train the linkers and those that choose one."""
        training, held_out = split_auxiliary(auxiliary, HELD_OUT, rng)
        if (count := len(np.unique(held_out.identities))) < 2:
            raise UserError(f"linkage needs 2 held-out people to choose a classifier, and {count} is held out")
        return training, held_out

    def _report(
        self, findings: Findings, kind: str, pairs: Comparisons, best: bool, rng: np.random.Generator, control: bool
    ) -> None:
        """Report the AUROC of a linker, and the gain if it is the best one."""
        area = ResampledAuroc.draw(pairs, rng, self.repeats)
        findings.metrics[f"auroc_{kind}"] = area.metric(0.95)
        if best:
            strict = area.metric(CONFIDENCE)
            value, low, high = (2 * end - 1 for end in (strict.value, strict.low, strict.high))
            findings.gain = Metric(value, low, high, strict.n, strict.interval)
        if not control:
            findings.metrics[f"d_sys_{kind}"] = linkability(pairs, rng, repeats=LINKABILITY_REPEATS).system
            findings.figures.append(_figure(kind, pairs))

    def _budget(
        self, kind: Learner, features: PairFeatures, held_out: Databases, gain: float, rng: np.random.Generator
    ) -> BudgetCurve:
        """Return the gain on held-out identities of a linker trained on half of the pairs, and of the linker itself."""
        half = self._fit_linker(kind, features, rng, share=0.5)
        mated, rows = np.equal(*held_out.people()), features.pairs(held_out)[0]
        scores = half.predict_proba(rows)[:, 1]
        pairs = min(MOST_PAIRS, 2 * int(np.equal(*features.base.people()).sum()))
        return BudgetCurve("training pairs", [pairs // 2, pairs], [2 * auroc(scores[mated], scores[~mated]) - 1, gain])

    def _fit_linker(
        self, kind: Learner, features: PairFeatures, rng: np.random.Generator, share: float = 1.0
    ) -> Pipeline:
        """Train a linker on mated pairs and an equal number of non-mated ones, at most `MOST_PAIRS` in all.

        Args:
            kind: kind of the classifier.
            features: features of the attacker's own pairs.
            rng: source of the choice of pairs, and of the training.
            share: share of the pairs to train on.
        """
        mated = np.equal(*features.base.people())
        same, different = np.flatnonzero(mated), np.flatnonzero(~mated)
        same = rng.permutation(same)[: MOST_PAIRS // 2]
        same = same[: max(1, round(share * len(same)))]
        pairs = np.sort(np.r_[same, rng.choice(different, min(len(same), len(different)), replace=False)])
        rows, _ = features.pairs(features.base)
        return fit_classifier(kind, rows[pairs], mated[pairs], rng)


@dataclass(frozen=True)
class LinkedSystem:
    """Two databases as the attacker sees them: templates, or features estimated from templates and known keys.

    Attributes:
        scheme: scheme that makes the templates.
        compared: scheme that compares what the attacker sees.
        reused: whether a person has the same key in both databases.
        estimates: maps templates to features; None if the keys are unknown, or if there are none.
    """

    scheme: TemplateScheme
    compared: TemplateScheme
    reused: bool
    estimates: FeatureEstimates | None = None

    @classmethod
    def of(cls, scheme: TemplateScheme, own: Impressions | None, reused: bool, rng: np.random.Generator) -> Self:
        """Return the system, seen by an attacker with these impressions and all keys, or without keys if None."""
        if own is None or not scheme.keyed:
            return cls(scheme, scheme, reused)
        return cls(scheme, OpenFeatures(scheme), reused, FeatureEstimates(scheme, own, rng))

    def enrol(self, first: Impressions, second: Impressions, rng: np.random.Generator) -> Databases:
        """Enrol impressions in two databases, with a key for each person."""
        people = np.r_[first.identities, second.identities]
        first_keys, second_keys = draw_user_keys(people, rng), draw_user_keys(people, rng)
        second_keys = first_keys if self.reused else second_keys
        n = len(first)
        sides = ((first, first_keys[:n]), (second, second_keys[n:]))
        seen = [self._see(impressions, keys) for impressions, keys in sides]
        return Databases(seen[0], seen[1], first.identities, second.identities)

    def _see(self, impressions: Impressions, keys: np.ndarray) -> np.ndarray:
        """Return what the attacker sees of the templates of impressions under these keys, shape (n, ...)."""
        templates = self.scheme.enroll(impressions.samples, keys)
        if self.estimates is None:
            return templates
        return self.estimates.estimate(templates, keys, impressions.identities)


@dataclass(frozen=True)
class LinkScorer:
    """Scores pairs of templates by trained linkers, and by the scheme's own comparison.

    Attributes:
        features: features of pairs of templates.
        linkers: trained classifiers of pairs by their kind.
    """

    features: PairFeatures
    linkers: Mapping[str, Pipeline]

    @property
    def kinds(self) -> list[str]:
        """Names of all ways to score a pair."""
        return ["comparison", *self.linkers]

    def compare(self, kind: str, databases: Databases) -> Comparisons:
        """Return the scores of all pairs of two databases by one of `kinds`."""
        rows, similarity = self.features.pairs(databases)
        scores = self.linkers[kind].predict_proba(rows)[:, 1] if kind in self.linkers else similarity
        return Comparisons(np.asarray(scores, np.float64), *databases.people())

    def auroc(self, kind: str, databases: Databases) -> float:
        """Return the AUROC of the pairs of one person against those of two."""
        pairs = self.compare(kind, databases)
        return auroc(pairs.scores[pairs.mated], pairs.scores[~pairs.mated])


def _split_impressions(impressions: Impressions, rng: np.random.Generator) -> tuple[Impressions, Impressions]:
    """Split each identity's impressions between two databases.

    Raises:
        UserError: no identity has two impressions.
    """
    order = rng.permutation(len(impressions))
    people = impressions.identities[order]
    number = np.empty(len(order), np.int64)  # index of each impression within its identity, in random order
    for identity in np.unique(people):
        rows = order[people == identity]
        number[rows] = np.arange(len(rows))
    if not (number % 2).any():
        raise UserError("linkage needs auxiliary identities with two impressions or more")
    return impressions.subset(number % 2 == 0), impressions.subset(number % 2 == 1)


def _figure(kind: str, pairs: Comparisons) -> Figure:
    rates = error_rates(pairs.scores, pairs.mated)
    shown = np.unique(np.linspace(0, len(rates.fmr) - 1, CURVE_POINTS).astype(int))
    curve = Curve(f"linkage by {kind}", rates.fmr[shown].tolist(), (1 - rates.fnmr[shown]).tolist())
    chance = Curve("chance", [0.0, 1.0], [0.0, 1.0])
    title = f"Linkage by {kind}: true against false links"
    return Figure(
        title, "pairs of two people linked", "pairs of one person linked", [curve, chance], control_curves=["chance"]
    )
