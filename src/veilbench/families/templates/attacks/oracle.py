"""The matcher as an oracle: an accepted image from nothing but what the system answers to images."""

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
    """A system that answers, and remembers for each victim which query was the first to be accepted.

    Attributes:
        system: asked.
        fmr: false match rate that it works at.
        first: shape (n,): the number of that query, from 1; infinity where there was none yet.
        asked: queries for each victim so far.
    """

    system: TemplateSystem
    fmr: float
    first: np.ndarray = field(init=False)
    asked: int = 0

    def __post_init__(self) -> None:
        self.first = np.full(len(self.system.keys), np.inf)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """How alike images of shape (n, p, c, h, w) are to the victims' templates, shape (n, p)."""
        n, p = images.shape[:2]
        features = self.system.scheme.features(images.reshape(n * p, *images.shape[2:]))
        return self.scores_of_features(features.reshape(n, p, -1))

    def scores_of_features(self, features: np.ndarray) -> np.ndarray:
        """The same of images whose features are known, shape (n, p, d)."""
        n, p = features.shape[:2]
        scheme, rows = self.system.scheme, np.repeat(np.arange(n), p)
        made = scheme.protect(features.reshape(n * p, -1), self.system.keys[rows])
        found = scheme.compare(made, self.system.templates[rows]).reshape(n, p)
        accepted = found >= self.system.thresholds[self.fmr]
        earliest = np.where(accepted.any(1), self.asked + 1 + accepted.argmax(1), np.inf)
        self.first, self.asked = np.minimum(self.first, earliest), self.asked + p
        return np.asarray(found)

    def decisions(self, images: np.ndarray) -> np.ndarray:
        """Whether they are accepted: 1 or 0."""
        return np.asarray(self.scores(images) >= self.system.thresholds[self.fmr], np.float32)


class TemplateOracle(Attack[TemplateScheme, Identities]):
    """Presents images until one is accepted, learning from the answers.

    Whoever asks often enough is accepted by chance: after q queries of strangers' images with a chance of
    1 - (1 - FMR)^q. So the attack stands beside a dictionary of auxiliary images, presented one after the other. With
    `scores` the attacker is told how alike an image is, and climbs: see `oracle_search.evolved`. With `decisions` he
    is told only whether it was accepted; he presents the dictionary for half of the queries, and then climbs from an
    image that was accepted to where more of its neighbourhood is. That cannot be quicker in than the dictionary; what
    it adds is how good the image becomes, which `accepted_at_...` and PRAR say.

    The gain is the share of victims as whom an image was accepted within `queries`, above the larger of that chance
    and the dictionary's share.

    Args:
        threat: needs `auxiliary_data`, and `score_queries` or `decision_queries`.
        positive: see `Attack`.
        negative: see `Attack`.
        answers: what the attacker is told.
        queries: for each victim.
        limits: numbers of queries that a rate limit might allow, for the curve.
        population: of a generation, even.
        components: principal components of auxiliary images that images are made of.
        fmr: the false match rate that the system works at.
        strict: other false match rates that the last image is judged at.
        most_victims: attacked.
        broken_at: see `Attack`.
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
        broken_at: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, broken_at)
        if population % 2:
            raise ValueError(f"population={population} must be even: places are asked about in opposite pairs")
        if population > queries:
            raise ValueError(f"population={population} must be at most queries={queries}")
        self.answers, self.queries, self.limits = answers, queries, sorted(limits)
        self.population, self.components, self.fmr, self.strict = population, components, fmr, list(strict)
        self.most_victims = most_victims

    def run(
        self,
        subject: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> Findings:
        """See `Attack.run`."""
        self.threat.require("auxiliary_data")
        self.threat.require("score_queries" if self.answers == "scores" else "decision_queries")
        found = Findings(f"{self.title} ({self.answers})")
        system = deployed(subject, data, [self.fmr, *self.strict], self.fmr, self.most_victims, rng)
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
        """All words to all victims, some at a time; which word was best, shape (n,)."""
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
        """The first accepted word of each victim, from half of the queries; its coordinates."""
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
            found.pictures.append(picture("Enrolled impressions, and what answers led to", rows))

    def _figure(self, climbing: Counter, dictionary: Counter) -> Figure:
        limits, n = [limit for limit in self.limits if limit <= self.queries], len(climbing.first)
        curves = [
            Curve(name, limits, *ends([proportion(int((counter.first <= limit).sum()), n) for limit in limits]))
            for name, counter in ((f"by {self.answers}", climbing), ("by dictionary", dictionary))
        ]
        blind = Curve("chance", limits, [self._chance(limit) for limit in limits])
        title = f"{self.title} ({self.answers}): who gets in under a rate limit"
        axes = (title, "queries allowed for each victim", "share of victims")
        return Figure(*axes, [*curves, blind], log_x=True, control_curves=["by dictionary", "chance"])

    def _chance(self, queries: int) -> float:
        return 1 - (1 - self.fmr) ** queries
