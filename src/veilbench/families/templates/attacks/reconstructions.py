"""Images that attackers present as the victims, made from the victims' templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import BudgetCurve
from veilbench.families.templates.attacks.decoders import Decoders, fit_decoder
from veilbench.families.templates.attacks.gradient_search import GradientSearch, optimise_images
from veilbench.families.templates.attacks.own_prints import (
    find_nearest_template,
    measure_dictionary,
    score_own_features,
)
from veilbench.families.templates.attacks.surrogate import build_exact_score, build_surrogate_score
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.attacks.template_features import TemplateFeatures
from veilbench.families.templates.data.identities import Impressions
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme

OWN_PRINTS = "own_prints"


@dataclass(frozen=True)
class Knowledge:
    """What an attacker knows and may do.

    Attributes:
        key: whether they know the victims' keys.
        search: "white_box" or "surrogate" for a search by gradients; empty for none.
        own_prints: whether they present their own images too.
        scores: whether they can compute or query the match scores of their own images.
        most_tested: maximum number of their own images whose scores they query; None for no limit.
    """

    key: bool
    search: str
    own_prints: bool
    scores: bool
    most_tested: int | None = None


@dataclass(frozen=True)
class Case:
    """An inversion to carry out.

    Attributes:
        system: system with the templates that the attacker sees.
        validation: the same system with the attacker's held-out impressions enrolled.
        training: the attacker's other impressions, in random order.
        sizes: numbers of training impressions, ascending.
        knowledge: what the attacker knows and may do.
    """

    system: TemplateSystem
    validation: TemplateSystem
    training: Impressions
    sizes: Sequence[int]
    knowledge: Knowledge


@dataclass
class Reconstructions:
    """The images that attackers present.

    Attributes:
        images: attacker -> images of the victims, and of the held-out impressions.
        decoded_by_size: kind of decoder -> images of the victims for each size of the training set.
        tested: number of the attacker's own images whose scores were computed or queried for each victim.
        curves: attacker -> its success on the held-out impressions for increasing budgets; for a decoder, the share of
            their variance that it recovers.
    """

    images: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    decoded_by_size: dict[str, list[np.ndarray]] = field(default_factory=dict)
    tested: int = 0
    curves: dict[str, BudgetCurve] = field(default_factory=dict)

    def of_victims(self) -> dict[str, np.ndarray]:
        """Return each attacker's images of the victims."""
        return {kind: images for kind, (images, _) in self.images.items()}

    def best_attacker(self, validation: TemplateSystem) -> str:
        """Return the attacker whose images of the held-out impressions are accepted most often.

        Among equals, it is the one with the highest mean match score.
        """

        def success(kind: str) -> tuple[float, float]:
            scores = validation.score(self.images[kind][1])
            return float((scores >= validation.threshold).mean()), float(scores.mean())

        return max(self.images, key=success)


def reconstruct(
    case: Case, decoders: Decoders, search: GradientSearch, accelerator: Accelerator, rng: np.random.Generator
) -> Reconstructions:
    """Reconstruct the victims' and the held-out impressions in every way that the attacker's knowledge allows."""
    made = Reconstructions(decoded_by_size={kind: [] for kind in decoders.kinds})
    for size in case.sizes:
        known = case.training.subset(np.arange(size))
        features = TemplateFeatures(case.system.scheme, known, case.knowledge.key, rng)
        _decode(made, case, features, known, decoders, accelerator, rng)
    if case.knowledge.own_prints:
        _take_own_prints(made, case, features, known)
    if case.knowledge.search:
        _refine(made, case, search, accelerator)
    return made


def _decode(
    made: Reconstructions,
    case: Case,
    features: TemplateFeatures,
    known: Impressions,
    decoders: Decoders,
    accelerator: Accelerator,
    rng: np.random.Generator,
) -> None:
    """Fit each decoder, and reconstruct the victims' and the held-out impressions."""
    codes = [features.transform(seen.templates, seen.keys) for seen in (case.system, case.validation)]
    pairs = (features.transform_own(), known.images, codes[1], case.validation.victims.images)
    for kind in decoders.kinds:
        decoder = fit_decoder(kind, pairs, decoders, accelerator, rng)
        made.images[kind] = decoder.inverse(codes[0]), decoder.inverse(codes[1])
        made.curves[kind] = decoder.curve
        made.decoded_by_size[kind].append(made.images[kind][0])


def _take_own_prints(made: Reconstructions, case: Case, features: TemplateFeatures, known: Impressions) -> None:
    """Present the attacker's own image with the highest match score, or with the nearest template."""
    systems, own = (case.system, case.validation), known.images
    if not case.knowledge.scores:
        first, second = (own[find_nearest_template(seen, features)] for seen in systems)
        made.images[OWN_PRINTS] = first, second
        return
    own = case.training.images[: case.knowledge.most_tested]
    own_features = case.system.scheme.features(own)
    scores = [score_own_features(seen, own_features) for seen in systems]
    first, second = (own[one.argmax(1)] for one in scores)
    made.images[OWN_PRINTS], made.tested = (first, second), len(own)
    made.curves[OWN_PRINTS] = measure_dictionary(case.validation, scores[1])


def _refine(made: Reconstructions, case: Case, search: GradientSearch, accelerator: Accelerator) -> None:
    """Refine the best reconstructions by gradient ascent on the match score, or on a surrogate of it."""
    way, device, scheme = case.knowledge.search, accelerator.device(), case.system.scheme
    assert isinstance(scheme, DifferentiableScheme)
    queried = case.training.images[: search.surrogate_queries]
    steps, shares, final = sorted({max(1, search.steps // 2), search.steps}), list[float](), list[np.ndarray]()
    for seen, start in zip(
        (case.system, case.validation), made.images[made.best_attacker(case.validation)], strict=True
    ):
        score = (
            build_exact_score(seen, scheme, device)
            if way == "white_box"
            else build_surrogate_score(seen, scheme, queried, device)
        )
        found = optimise_images(score, start, search, device, steps)
        final.append(found[-1])
        shares = [float(seen.accepts(images).mean()) for images in found]
    made.images[way] = final[0], final[1]
    made.curves[way] = BudgetCurve("search.steps", steps, shares)
