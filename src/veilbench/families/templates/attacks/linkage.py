"""Linkage: decide whether two templates under different keys belong to the same person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import BudgetCurve, Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.learners import Learner, fit_classifier
from veilbench.families.templates.attacks.pair_features import Databases, PairFeatures
from veilbench.families.templates.attacks.system import first_row_of_each, split_auxiliary
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.anomaly import Ranking
from veilbench.metrics.biometric import Comparisons, bootstrap, error_rates
from veilbench.metrics.linkability import linkability
from veilbench.metrics.membership import auroc

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

HELD_OUT = 0.3  # share of the auxiliary identities that choose the linker
MOST_PAIRS, CURVE_POINTS = 6000, 60  # training pairs of a linker; points of the curve


class TemplateLinkage(TemplateAttack):
    """Trains a linker on pairs of auxiliary templates, and links the victims across two databases.

    In each database every person has their own key, unknown to the attacker; with `reuse="person"` a person has the
    same key in both. The linker is a classifier of pairs. Its inputs are the products and absolute differences of the
    two templates' values, reduced to at most 64 principal components, and the scheme's own comparison score. Held-out
    identities choose between the classifiers and the comparison score alone. The gain is 2 AUROC - 1 over all pairs of
    the two databases, with a bootstrap interval over identities. D_sys (`metrics.linkability`) of each linker is
    reported too.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        learners: kinds of classifiers to train; the one with the highest AUROC on held-out identities is used.
        reuse: "none" for different keys in the two databases, or "person" if each person has the same key in both.
        repeats: bootstrap samples over identities.
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
        repeats: Annotated[Count, Ge(10)] = 300,
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.learners, self.reuse, self.repeats = list(learners), reuse, repeats

    def variant(self) -> str:
        """Return whether people reuse their key."""
        return "keys reused" if self.reuse == "person" else "two keys"

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
        training, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        if len(held_out_people := np.unique(held_out.identities)) < 2:
            count = len(held_out_people)
            raise UserError(f"linkage needs 2 held-out people to choose a classifier, and {count} is held out")
        features = PairFeatures(target, self._enrol_databases(target, *_split_impressions(training, rng), rng))
        linkers = {kind: self._fit_linker(kind, features, rng) for kind in self.learners}
        held_out_databases = self._enrol_databases(target, *_split_impressions(held_out, rng), rng)
        victims = data.enrolment.subset(first_row_of_each(data.enrolment.identities))
        victim_databases = self._enrol_databases(
            target, victims, data.probe.subset(first_row_of_each(data.probe.identities)), rng
        )

        def compare(kind: str, base: Databases) -> Comparisons:
            rows, similarity = features.pairs(base)
            scores = linkers[kind].predict_proba(rows)[:, 1] if kind in linkers else similarity
            return Comparisons(np.asarray(scores, np.float64), *base.people())

        def area(pairs: Comparisons) -> float:
            return auroc(pairs.scores[pairs.mated], pairs.scores[~pairs.mated])

        held_out_auroc = {kind: area(compare(kind, held_out_databases)) for kind in ("comparison", *linkers)}
        best = max(held_out_auroc, key=lambda kind: held_out_auroc[kind])
        if best in self.learners:
            findings.budget = self._budget(best, features, held_out_databases, 2 * held_out_auroc[best] - 1, rng)
        findings.notes.append(f"The gain is that of the linker {best}, the best one on held-out identities.")
        for kind in held_out_auroc:
            pairs = compare(kind, victim_databases)
            findings.metrics[f"auroc_{kind}"] = self._auroc_with_interval(pairs, rng, 0.95)
            if kind == best:
                strict = self._auroc_with_interval(pairs, rng, CONFIDENCE)
                value, low, high = (2 * end - 1 for end in (strict.value, strict.low, strict.high))
                findings.gain = Metric(value, low, high, strict.n, strict.interval)
            if not control:
                findings.metrics[f"d_sys_{kind}"] = linkability(pairs, rng, repeats=max(10, self.repeats // 3)).system
                findings.figures.append(_figure(kind, pairs))

    def _enrol_databases(
        self, scheme: TemplateScheme, first: Impressions, second: Impressions, rng: np.random.Generator
    ) -> Databases:
        people = np.r_[first.identities, second.identities]
        first_keys, second_keys = draw_user_keys(people, rng), draw_user_keys(people, rng)
        second_keys = first_keys if self.reuse == "person" else second_keys
        n = len(first)
        first_templates, second_templates = (
            scheme.enroll(first.samples, first_keys[:n]),
            scheme.enroll(second.samples, second_keys[n:]),
        )
        return Databases(first_templates, second_templates, first.identities, second.identities)

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

    def _auroc_with_interval(self, pairs: Comparisons, rng: np.random.Generator, confidence: float) -> Metric:
        def area(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
            return [Ranking(scores, mated).auroc(weights)]

        return bootstrap(pairs, area, rng, self.repeats, confidence)[0]


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
