"""The matcher as an oracle: find an accepted image using only the system's answers to queries."""

from __future__ import annotations

from typing import Literal

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack, share
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.oracle_search import EvolutionSearch, Subspace, evolution_strategy
from veilbench.families.templates.attacks.query_counter import Queries, QueryCounter
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr
from veilbench.metrics.intervals import ends, mean

SHOWN = 8


class TemplateOracle(AcceptanceAttack):
    """Presents images until one is accepted, and learns from the answers.

    An attacker who sends enough queries is accepted by chance: after q queries with strangers' images with probability
    1 - (1 - FMR)^q. The attack is therefore compared with a dictionary of auxiliary images, presented one after the
    other. With `scores` the attacker sees the match score of an image, and climbs it by an evolution strategy. With
    `decisions` they only see whether it was accepted; they present the dictionary for half of the queries, and then
    move from an accepted image to where more of its neighbourhood is accepted. That cannot succeed earlier than the
    dictionary does; it improves the image, which `accepted_at_<FMR>_last_image` and PRAR measure.

    The gain is the share of victims for whom an image was accepted within the allowed queries, above the larger of that
    chance and the dictionary's share.

    Args:
        threat: threat model; needs `auxiliary_data`, and `score_queries` or `decision_queries`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        answers: what the system returns: match "scores", or "decisions" to accept or reject.
        queries: number of queries per victim, and the limits shown in the curve.
        search: settings of the evolution strategy.
        operating_point: false match rates of the system, and number of victims; the system answers at the reference
            rate, and the last image is evaluated at all.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.

    Raises:
        ValueError: one generation takes more queries than there are.
    """

    title = "Oracle"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        answers: Literal["scores", "decisions"] = "scores",
        queries: Queries = Queries(),
        search: EvolutionSearch = EvolutionSearch(),
        operating_point: OperatingPoint = OperatingPoint(fmr=(0.001, 0.01), reference_fmr=0.001, most_victims=60),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, operating_point, broken_threshold)
        if search.population > queries.most:
            raise ValueError(f"population={search.population} must be at most queries={queries.most}")
        self.answers, self.queries, self.search = answers, queries, search
        self.threat_needs = ("auxiliary_data", "score_queries" if answers == "scores" else "decision_queries")

    def variant(self) -> str:
        """Return what the system answers."""
        return self.answers

    def attack(
        self,
        found: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Query the system with a dictionary of auxiliary images, and by hill climbing."""
        system = self._enrol(found, target, data, rng)
        space = Subspace.of(data.auxiliary.images, self.search.components)
        by_dictionary, hill_climbing = QueryCounter(system), QueryCounter(system)
        dictionary = data.auxiliary.images[rng.permutation(len(data.auxiliary))[: self.queries.most]]
        self._present(by_dictionary, dictionary)
        start = np.zeros((len(system.keys), len(space.basis)), np.float32)
        if self.answers == "decisions":
            start = self._start_from_dictionary(hill_climbing, space, dictionary, start)
        ask = hill_climbing.scores if self.answers == "scores" else hill_climbing.decisions
        left = self.queries.most - hill_climbing.count
        coordinates = evolution_strategy(ask, space, start, left, self.search.population, rng)
        self._report(found, system, space.images(coordinates), hill_climbing, by_dictionary, rng)

    def _present(self, counter: QueryCounter, dictionary: np.ndarray) -> np.ndarray:
        """Present all dictionary images to all victims, in batches; return the best image's index, shape (n,)."""
        n = len(counter.system.keys)
        highest, best = np.full(n, -np.inf), np.zeros(n, np.int64)
        features = counter.system.scheme.features(dictionary)
        for begin in range(0, len(dictionary), self.search.population):
            some = features[begin : begin + self.search.population]
            scores = counter.scores_of_features(np.broadcast_to(some, (n, *some.shape)))
            accepted = scores >= counter.system.threshold
            better = accepted.max(1) > highest
            highest = np.maximum(highest, accepted.max(1))
            best = np.where(better, begin + accepted.argmax(1), best)
        return best

    def _start_from_dictionary(
        self, counter: QueryCounter, space: Subspace, dictionary: np.ndarray, start: np.ndarray
    ) -> np.ndarray:
        """Spend half of the queries on the dictionary; return the coordinates of each victim's accepted image."""
        some = dictionary[: self.queries.most // 2]
        best = self._present(counter, some)
        accepted = np.isfinite(counter.first)
        return np.where(accepted[:, None], space.coordinates(some)[best], start)

    def _report(
        self,
        found: Findings,
        system: TemplateSystem,
        images: np.ndarray,
        hill_climbing: QueryCounter,
        by_dictionary: QueryCounter,
        rng: np.random.Generator,
    ) -> None:
        n, most = len(system.keys), self.queries.most
        systems = {"accepted": system, "prar": system.renew_keys(rng)}
        accepted, listed = (counter.accepted_within(most) for counter in (hill_climbing, by_dictionary))
        chance = self.operating_point.blind_success(most)
        found.metrics |= {"accepted": share(accepted), "accepted_by_dictionary": share(listed)}
        found.metrics["chance"] = Metric.exact(chance, n, "share")
        if accepted.sum() > n / 2:
            found.metrics["queries_for_half"] = Metric.exact(float(np.median(hill_climbing.first)), n)
        found.metrics |= {f"{key}_last_image": rate for key, rate in self._acceptance(systems, images).items()}
        found.metrics["psnr_last_image"] = mean(psnr(images, system.victims.images), unit="", of="victims")
        found.gain = self._gain(accepted, chance, float(listed.mean()))
        found.figures.append(self._figure(hill_climbing, by_dictionary))
        if images.shape[1] in (1, 3):
            rows = [("enrolled impression", system.victims.images[:SHOWN]), ("last image", images[:SHOWN])]
            found.pictures.append(picture("Enrolled impressions and the attack's last images", rows))

    def _figure(self, hill_climbing: QueryCounter, by_dictionary: QueryCounter) -> Figure:
        limits = [limit for limit in sorted(self.queries.limits) if limit <= self.queries.most]
        curves = [
            Curve(name, limits, *ends([share(counter.accepted_within(limit)) for limit in limits]))
            for name, counter in ((f"by {self.answers}", hill_climbing), ("by dictionary", by_dictionary))
        ]
        blind = Curve("chance", limits, [self.operating_point.blind_success(limit) for limit in limits])
        title = f"{self.title} ({self.answers}): success under a rate limit"
        axes = (title, "queries allowed for each victim", "share of victims")
        return Figure(*axes, [*curves, blind], log_x=True, control_curves=["by dictionary", "chance"])
