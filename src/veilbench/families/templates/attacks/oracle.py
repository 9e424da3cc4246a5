"""The matcher as an oracle: find an accepted image using only the system's answers to queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE, Attack
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, Positive, PositiveShare, Width
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.oracle_search import Subspace, evolved
from veilbench.families.templates.attacks.system import TemplateSystem, deployed
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr
from veilbench.metrics.intervals import above_chance, ends, mean, proportion

SHOWN = 8


@dataclass
class Counter:
    """A system that counts queries, and records for each victim the first one that was accepted.

    Attributes:
        system: recognition system that answers the queries.
        fmr: false match rate at which the system operates.
        first: index of the first accepted query of each victim, from 1, shape (n,); infinity if there was none yet.
        asked: queries per victim so far.
    """

    system: TemplateSystem
    fmr: float
    first: np.ndarray = field(init=False)
    asked: int = 0

    def __post_init__(self) -> None:
        self.first = np.full(len(self.system.keys), np.inf)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Return the match scores of images of shape (n, p, c, h, w) with the victims' templates, shape (n, p)."""
        n, p = images.shape[:2]
        features = self.system.scheme.features(images.reshape(n * p, *images.shape[2:]))
        return self.scores_of_features(features.reshape(n, p, -1))

    def scores_of_features(self, features: np.ndarray) -> np.ndarray:
        """Return the match scores of features of shape (n, p, d), for images whose features are known; shape (n, p)."""
        n, p = features.shape[:2]
        scheme, rows = self.system.scheme, np.repeat(np.arange(n), p)
        made = scheme.protect(features.reshape(n * p, -1), self.system.keys[rows])
        found = scheme.compare(made, self.system.templates[rows]).reshape(n, p)
        accepted = found >= self.system.thresholds[self.fmr]
        earliest = np.where(accepted.any(1), self.asked + 1 + accepted.argmax(1), np.inf)
        self.first, self.asked = np.minimum(self.first, earliest), self.asked + p
        return np.asarray(found)

    def decisions(self, images: np.ndarray) -> np.ndarray:
        """Return whether images of shape (n, p, c, h, w) are accepted: 1 or 0, shape (n, p), float32."""
        return np.asarray(self.scores(images) >= self.system.thresholds[self.fmr], np.float32)


class TemplateOracle(Attack[TemplateScheme, Identities]):
    """Presents images until one is accepted, and learns from the answers.

    An attacker who sends enough queries is accepted by chance: after q queries with strangers' images with probability
    1 - (1 - FMR)^q. The attack is therefore compared with a dictionary of auxiliary images, presented one after the
    other. With `scores` the attacker sees the match score of an image, and climbs it by an evolution strategy. With
    `decisions` they only see whether it was accepted; they present the dictionary for half of the queries, and then
    move
    from an accepted image to where more of its neighbourhood is accepted. That cannot succeed earlier than the
    dictionary does; it improves the image, which `accepted_at_...` and PRAR measure.

    The gain is the share of victims for whom an image was accepted within `queries`, above the larger of that chance
    and
    the dictionary's share.

    Args:
        threat: threat model; needs `auxiliary_data`, and `score_queries` or `decision_queries`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        answers: what the system returns: match "scores", or "decisions" to accept or reject.
        queries: maximum number of queries per victim.
        limits: query limits that are shown as points of the curve, as a rate limit might set them.
        population: candidates per generation of the evolution strategy; even.
        components: number of principal components of auxiliary images that candidate images are made of.
        fmr: false match rate at which the system operates, in (0, 1).
        strict: other false match rates at which the last image is evaluated.
        most_victims: maximum number of victims to attack.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    title = "Oracle"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        answers: Literal["scores", "decisions"] = "scores",
        queries: Annotated[Count, Ge(4)] = 400,
        limits: Annotated[Sequence[Count], MinLen(1)] = (1, 10, 30, 100, 200, 400),
        population: Annotated[Width, Ge(4)] = 20,
        components: Annotated[Width, Ge(2)] = 64,
        fmr: Positive = 0.001,
        strict: Sequence[Positive] = (0.01,),
        most_victims: Annotated[Count, Ge(2)] = 60,
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if population % 2:
            raise ValueError(f"population={population} must be even: candidates are tried in opposite pairs")
        if population > queries:
            raise ValueError(f"population={population} must be at most queries={queries}")
        self.answers, self.queries, self.limits = answers, queries, sorted(limits)
        self.population, self.components, self.fmr, self.strict = population, components, fmr, list(strict)
        self.most_victims = most_victims

    def run(
        self,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> Findings:
        """Run the attack on a scheme and report its gain."""
        self.threat.require("auxiliary_data")
        self.threat.require("score_queries" if self.answers == "scores" else "decision_queries")
        found = Findings(f"{self.title} ({self.answers})")
        system = deployed(target, data, [self.fmr, *self.strict], self.fmr, self.most_victims, rng)
        found.notes += [f"Refused: {reason}." for reason in system.refused]
        space = Subspace.of(data.auxiliary.images, self.components)
        dictionary, climbing = Counter(system, self.fmr), Counter(system, self.fmr)
        words = data.auxiliary.images[rng.permutation(len(data.auxiliary))[: self.queries]]
        self._present(dictionary, words)
        start = np.zeros((len(system.keys), len(space.basis)), np.float32)
        if self.answers == "decisions":
            start = self._entered(climbing, space, words, start)
        ask = climbing.scores if self.answers == "scores" else climbing.decisions
        made = evolved(ask, space, start, self.queries - climbing.asked, self.population, rng)
        self._report(found, system, space.images(made), climbing, dictionary, rng)
        return found

    def _present(self, counter: Counter, words: np.ndarray) -> np.ndarray:
        """Present all dictionary images to all victims, in batches; return the best image's index, shape (n,)."""
        n, best, place = len(counter.system.keys), np.full(len(counter.system.keys), -np.inf), 0
        places, features = np.zeros(n, np.int64), counter.system.scheme.features(words)
        for begin in range(0, len(words), self.population):
            some = features[begin : begin + self.population]
            seen = counter.scores_of_features(np.broadcast_to(some, (n, *some.shape)))
            found = seen >= counter.system.thresholds[counter.fmr]
            better = found.max(1) > best
            best, places = np.maximum(best, found.max(1)), np.where(better, place + found.argmax(1), places)
            place += len(some)
        return places

    def _entered(self, counter: Counter, space: Subspace, words: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Spend half of the queries on the dictionary; return the coordinates of each victim's accepted image."""
        some = words[: self.queries // 2]
        places = self._present(counter, some)
        entered = np.isfinite(counter.first)
        return np.where(entered[:, None], space.places(some)[places], start)

    def _report(
        self,
        found: Findings,
        system: TemplateSystem,
        images: np.ndarray,
        climbing: Counter,
        dictionary: Counter,
        rng: np.random.Generator,
    ) -> None:
        n = len(system.keys)
        fresh = rng.integers(0, 2**64, n, dtype=np.uint64)
        renewed = system.enrolled_anew(system.victims, fresh)
        inside, listed = (int((counter.first <= self.queries).sum()) for counter in (climbing, dictionary))
        found.metrics |= {"accepted": proportion(inside, n), "accepted_by_dictionary": proportion(listed, n)}
        found.metrics["chance"] = Metric.exact(self._chance(self.queries), n, "share")
        if inside > n / 2:
            found.metrics["queries_for_half"] = Metric.exact(float(np.median(climbing.first)), n)
        for fmr in system.thresholds:
            found.metrics[f"accepted_at_{fmr:g}_last_image"] = proportion(int(system.accepted(images, fmr).sum()), n)
            found.metrics[f"prar_at_{fmr:g}_last_image"] = proportion(int(renewed.accepted(images, fmr).sum()), n)
        found.metrics["psnr_last_image"] = mean(psnr(images, system.victims.images), unit="", of="victims")
        chance = max(self._chance(self.queries), listed / n)
        found.gain = above_chance(proportion(inside, n, CONFIDENCE), min(chance, 0.999))
        found.figures.append(self._figure(climbing, dictionary))
        if images.shape[1] in (1, 3):
            rows = [("enrolled impression", system.victims.images[:SHOWN]), ("last image", images[:SHOWN])]
            found.pictures.append(picture("Enrolled impressions and the attack's last images", rows))

    def _figure(self, climbing: Counter, dictionary: Counter) -> Figure:
        limits, n = [limit for limit in self.limits if limit <= self.queries], len(climbing.first)
        curves = [
            Curve(name, limits, *ends([proportion(int((counter.first <= limit).sum()), n) for limit in limits]))
            for name, counter in ((f"by {self.answers}", climbing), ("by dictionary", dictionary))
        ]
        blind = Curve("chance", limits, [self._chance(limit) for limit in limits])
        title = f"{self.title} ({self.answers}): success under a rate limit"
        axes = (title, "queries allowed for each victim", "share of victims")
        return Figure(*axes, [*curves, blind], log_x=True, control_curves=["by dictionary", "chance"])

    def _chance(self, queries: int) -> float:
        return 1 - (1 - self.fmr) ** queries
