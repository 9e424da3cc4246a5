"""The matcher as an oracle: find an accepted image using only the system's answers to queries."""

from __future__ import annotations

from typing import Literal

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack, share_of_true
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
    """Queries the system with images, and uses its answers to find an image that it accepts.

    With `scores` the system returns the match score of an image, and the attacker maximises it by an evolution
    strategy. With `decisions` it only returns whether the image is accepted. The attacker then spends half of the
    queries on a dictionary of auxiliary images, and the other half on moving from an accepted image to a region where
    more images are accepted. This cannot succeed earlier than the dictionary, but it improves the image, as
    `accepted_at_<FMR>_last_image` and PRAR show.

    Any attacker with enough queries is accepted by chance: q images of strangers are accepted with probability
    1 - (1 - FMR)^q. The gain is the share of victims for whom an image was accepted within the allowed queries, above
    the larger of this probability and the share reached by the dictionary alone.

    Args:
        threat: threat model; needs `auxiliary_data`, and `score_queries` or `decision_queries`.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        answers: what the system returns: match "scores", or "decisions" to accept or reject.
        queries: maximum number of queries per victim, and the query limits shown in the figure.
        search: settings of the evolution strategy.
        operating_point: false match rates and number of victims. The system decides at the reference rate; the last
            image is evaluated at every rate.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.

    Raises:
        ValueError: one generation takes more queries than are allowed.
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
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Query the system with a dictionary of auxiliary images, and by hill climbing."""
        system = self._enrol(findings, target, data, rng)
        space = Subspace.fit(data.auxiliary.images, self.search.components)
        by_dictionary, hill_climbing = QueryCounter(system), QueryCounter(system)
        dictionary = data.auxiliary.images[rng.permutation(len(data.auxiliary))[: self.queries.most]]
        self._present_dictionary(by_dictionary, dictionary)
        start = np.zeros((len(system.keys), len(space.basis)), np.float32)
        if self.answers == "decisions":
            start = self._start_from_dictionary(hill_climbing, space, dictionary, start)
        query = hill_climbing.score if self.answers == "scores" else hill_climbing.decide
        remaining = self.queries.most - hill_climbing.count
        coordinates = evolution_strategy(query, space, start, remaining, self.search.population, rng)
        self._report(findings, system, space.images(coordinates), hill_climbing, by_dictionary, rng)

    def _present_dictionary(self, counter: QueryCounter, dictionary: np.ndarray) -> np.ndarray:
        """Present every dictionary image as every victim; return each victim's first accepted image, shape (n,).

        The result holds indices; it is 0 if no image is accepted. Images are presented in batches.
        """
        n = len(counter.system.keys)
        highest, best = np.full(n, -np.inf), np.zeros(n, np.int64)
        features = counter.system.scheme.features(dictionary)
        for begin in range(0, len(dictionary), self.search.population):
            batch = features[begin : begin + self.search.population]
            scores = counter.score_features(np.broadcast_to(batch, (n, *batch.shape)))
            accepted = scores >= counter.system.threshold
            better = accepted.max(1) > highest
            highest = np.maximum(highest, accepted.max(1))
            best = np.where(better, begin + accepted.argmax(1), best)
        return best

    def _start_from_dictionary(
        self, counter: QueryCounter, space: Subspace, dictionary: np.ndarray, start: np.ndarray
    ) -> np.ndarray:
        """Spend half of the queries on the dictionary; return the coordinates of each victim's first accepted image.

        Victims for whom no image is accepted keep the coordinates in `start`, shape (n, coordinates).
        """
        presented = dictionary[: self.queries.most // 2]
        best = self._present_dictionary(counter, presented)
        accepted = np.isfinite(counter.first)
        return np.where(accepted[:, None], space.coordinates(presented)[best], start)

    def _report(
        self,
        findings: Findings,
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
        findings.metrics |= {"accepted": share_of_true(accepted), "accepted_by_dictionary": share_of_true(listed)}
        findings.metrics["chance"] = Metric.exact(chance, n, "share")
        if accepted.sum() > n / 2:
            findings.metrics["queries_for_half"] = Metric.exact(float(np.median(hill_climbing.first)), n)
        findings.metrics |= {f"{key}_last_image": rate for key, rate in self._acceptance_rates(systems, images).items()}
        findings.metrics["psnr_last_image"] = mean(psnr(images, system.victims.images), unit="", of="victims")
        findings.gain = self._gain(accepted, chance, float(listed.mean()))
        findings.figures.append(self._figure(hill_climbing, by_dictionary))
        if images.shape[1] in (1, 3):
            rows = [("enrolled impression", system.victims.images[:SHOWN]), ("last image", images[:SHOWN])]
            findings.pictures.append(picture("Enrolled impressions and the attack's last images", rows))

    def _figure(self, hill_climbing: QueryCounter, by_dictionary: QueryCounter) -> Figure:
        limits = [limit for limit in sorted(self.queries.limits) if limit <= self.queries.most]
        curves = [
            Curve(name, limits, *ends([share_of_true(counter.accepted_within(limit)) for limit in limits]))
            for name, counter in ((f"by {self.answers}", hill_climbing), ("by dictionary", by_dictionary))
        ]
        blind = Curve("chance", limits, [self.operating_point.blind_success(limit) for limit in limits])
        title = f"{self.title} ({self.answers}): success under a rate limit"
        axes = (title, "queries allowed for each victim", "share of victims")
        return Figure(*axes, [*curves, blind], log_x=True, control_curves=["by dictionary", "chance"])
