"""Linkage: do two templates, made under two keys, belong to one person?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.learners import Learner, fit_classifier
from veilbench.families.templates.attacks.pair_features import Databases, PairFeatures
from veilbench.families.templates.attacks.system import first_of_each, split_auxiliary
from veilbench.families.templates.attacks.template_attack import TemplateAttack
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.anomaly import Ranking
from veilbench.metrics.biometric import Comparisons, bootstrap, error_rates
from veilbench.metrics.linkability import linkability
from veilbench.metrics.membership import auroc

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

HELD_OUT, MOST_PAIRS, CURVE_POINTS = 0.3, 6000, 60


class TemplateLinkage(TemplateAttack):
    """Trains a linker on pairs of auxiliary templates, and links the victims across two databases.

    In each database every person has a key of their own, unknown to the attacker; with `reuse` a person has the same
    key in both. The linker's inputs are the products and absolute differences of the numbers of two templates, reduced
    to at most 64 principal components, and the scheme's own comparison score. Held-out identities choose the
    classifier, with the plain comparison as one candidate. The gain is 2 AUROC - 1 over all pairs of the two databases,
    with an interval over identities. D_sys (`metrics.linkability`) of the linker's score and of the plain comparison is
    reported too.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        learners: kinds of classifiers; the best one on held-out identities counts.
        reuse: which keys are the same in both databases: "none", or "person" for every person's.
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
        found: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Link the victims' templates; a control leaves out D_sys and the figures.

        Raises:
            UserError: there are too few auxiliary identities to choose a classifier with.
        """
        known, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        if len(few := np.unique(held_out.identities)) < 2:
            raise UserError(
                f"linkage needs 2 held-out people to choose a classifier, and {len(few)} is held out: too few people"
            )
        features = PairFeatures(target, self._databases(target, *_split(known, rng), rng))
        linkers = {kind: self._fit_linker(kind, features, rng) for kind in self.learners}
        practice = self._databases(target, *_split(held_out, rng), rng)
        victims = data.enrolment.chosen(first_of_each(data.enrolment.identities))
        attacked = self._databases(target, victims, data.probe.chosen(first_of_each(data.probe.identities)), rng)

        def compare(kind: str, base: Databases) -> Comparisons:
            rows, similarity = features.pairs(base)
            scores = linkers[kind].predict_proba(rows)[:, 1] if kind in linkers else similarity
            return Comparisons(np.asarray(scores, np.float64), *base.people())

        def area(pairs: Comparisons) -> float:
            return auroc(pairs.scores[pairs.mated], pairs.scores[~pairs.mated])

        held = {kind: area(compare(kind, practice)) for kind in ("comparison", *linkers)}
        best = max(held, key=lambda kind: held[kind])
        found.notes.append(f"The gain is that of the linker {best}, the best one on held-out identities.")
        for kind in held:
            pairs = compare(kind, attacked)
            found.metrics[f"auroc_{kind}"] = self._interval(pairs, rng, 0.95)
            if kind == best:
                strict = self._interval(pairs, rng, CONFIDENCE)
                value, low, high = (2 * end - 1 for end in (strict.value, strict.low, strict.high))
                found.gain = Metric(value, low, high, strict.n, strict.interval)
            if not control:
                found.metrics[f"d_sys_{kind}"] = linkability(pairs, rng, repeats=max(10, self.repeats // 3)).system
                found.figures.append(_figure(kind, pairs))

    def _databases(
        self, scheme: TemplateScheme, first: Impressions, second: Impressions, rng: np.random.Generator
    ) -> Databases:
        people = np.r_[first.identities, second.identities]
        old, new = user_keys(people, rng), user_keys(people, rng)
        new = old if self.reuse == "person" else new
        n = len(first)
        one, other = scheme.enroll(first.images, old[:n]), scheme.enroll(second.images, new[n:])
        return Databases(one, other, first.identities, second.identities)

    def _fit_linker(self, kind: Learner, features: PairFeatures, rng: np.random.Generator) -> Pipeline:
        """Train a linker on mated pairs and an equal number of non-mated ones, at most `MOST_PAIRS` in all."""
        mated = np.equal(*features.base.people())
        same, different = np.flatnonzero(mated), np.flatnonzero(~mated)
        same = rng.permutation(same)[: MOST_PAIRS // 2]
        chosen = np.sort(np.r_[same, rng.choice(different, min(len(same), len(different)), replace=False)])
        rows, _ = features.pairs(features.base)
        return fit_classifier(kind, rows[chosen], mated[chosen], rng)

    def _interval(self, pairs: Comparisons, rng: np.random.Generator, confidence: float) -> Metric:
        def area(scores: np.ndarray, mated: np.ndarray, weights: np.ndarray) -> list[float]:
            return [Ranking(scores, mated).auroc(weights)]

        return bootstrap(pairs, area, rng, self.repeats, confidence)[0]


def _split(impressions: Impressions, rng: np.random.Generator) -> tuple[Impressions, Impressions]:
    """Split each identity's impressions between two databases.

    Raises:
        UserError: no identity has two impressions.
    """
    order = rng.permutation(len(impressions))
    people = impressions.identities[order]
    number = np.empty(len(order), np.int64)  # of each impression among those of its identity
    for identity in np.unique(people):
        rows = order[people == identity]
        number[rows] = np.arange(len(rows))
    if not (number % 2).any():
        raise UserError("linkage needs auxiliary identities with two impressions or more")
    return impressions.chosen(number % 2 == 0), impressions.chosen(number % 2 == 1)


def _figure(kind: str, pairs: Comparisons) -> Figure:
    rates = error_rates(pairs.scores, pairs.mated)
    shown = np.unique(np.linspace(0, len(rates.fmr) - 1, CURVE_POINTS).astype(int))
    curve = Curve(f"linkage by {kind}", rates.fmr[shown].tolist(), (1 - rates.fnmr[shown]).tolist())
    chance = Curve("chance", [0.0, 1.0], [0.0, 1.0])
    title = f"Linkage by {kind}: true against false links"
    return Figure(
        title, "pairs of two people linked", "pairs of one person linked", [curve, chance], control_curves=["chance"]
    )
