"""The matcher as an oracle: find an accepted image using only the system's answers to queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.oracle_search import EvolutionSearch, Subspace, evolution_strategy
from veilbench.families.templates.attacks.query_counter import Queries, QueryCounter, present_dictionary
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.data.identities import Identities, ImageIdentities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr
from veilbench.metrics.intervals import ends, mean

SHOWN = 8
SHARE_LISTED = {"scores": 0.25, "decisions": 0.5}  # part of the queries that a search spends on the dictionary


class TemplateOracle(AcceptanceAttack):
    """Queries the system with images, and uses its answers to find an image that it accepts.

    Two attackers have the same number of queries for each victim. One presents a dictionary: their own images. The
    other spends a part of the queries on the dictionary, and moves on from its best image. With `scores` the system
    returns the match score of an image, and the attacker maximises it by an evolution strategy. With `decisions` it
    only returns whether the image is accepted; the attacker then moves from an accepted image to a region where more
    images are accepted. This cannot succeed earlier than the dictionary, but it improves the image, as
    `accepted_at_<FMR>_last_image` and PRAR show. The last query presents the final image.

    Any attacker with enough queries is accepted by chance: q images of strangers are accepted with probability
    1 - (1 - FMR)^q. The gain is the share of victims for whom an image of the second attacker was accepted within the
    allowed queries, above this probability.

    The positive controls include the subject's own features without protection: if the search does not lead into these,
    the subject's resistance says nothing about its transformation.

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

    data_kind = ImageIdentities
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

    def control_cases(self, target: TemplateScheme, data: Identities) -> Sequence[ControlCase[TemplateScheme]]:
        """Return the constructor's controls, and the target's open features as a second positive control."""
        return self._controls_on_open_features(target, data, ["the subject's features"])

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
        present_dictionary(by_dictionary, dictionary, self.search.population)
        listed = max(1, int(self.queries.most * SHARE_LISTED[self.answers]))
        scores = present_dictionary(hill_climbing, dictionary[:listed], self.search.population)
        best = (scores if self.answers == "scores" else scores >= system.threshold).argmax(1)
        start = space.coordinates(dictionary[best]).astype(np.float32)
        if self.answers == "decisions":  # where nothing was accepted, all images of the dictionary are equally good
            start = np.where(np.isfinite(hill_climbing.first)[:, None], start, np.float32(0))
        query = hill_climbing.score if self.answers == "scores" else hill_climbing.decide
        remaining = self.queries.most - hill_climbing.count - 1
        images = space.images(evolution_strategy(query, space, start, remaining, self.search.population, rng))
        hill_climbing.score(images[:, None])
        self._report(findings, system, images, hill_climbing, by_dictionary, rng)

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
        chance = self.operating_point.blind_success(most)
        findings.metrics["accepted"] = system.share_accepted(hill_climbing.highest)
        findings.metrics["accepted_by_dictionary"] = system.share_accepted(by_dictionary.highest)
        findings.metrics["chance"] = Metric.exact(chance, n, "share")
        if (hill_climbing.first <= most).sum() > n / 2:
            findings.metrics["queries_for_half"] = Metric.exact(float(np.median(hill_climbing.first)), n)
        findings.metrics |= {f"{key}_last_image": rate for key, rate in self._acceptance_rates(systems, images).items()}
        findings.metrics["psnr_last_image"] = mean(psnr(images, system.victims.images), unit="", of="victims")
        setting = f"queries.most={most} at operating_point.reference_fmr"
        self._set_gain(findings, system, hill_climbing.highest, {setting: chance})
        findings.budget = hill_climbing.budget(most)
        findings.figures.append(self._figure(hill_climbing, by_dictionary))
        if images.shape[1] in (1, 3):
            rows = [("enrolled impression", system.victims.images[:SHOWN]), ("last image", images[:SHOWN])]
            findings.pictures.append(picture("Enrolled impressions and the attack's last images", rows))

    def _figure(self, hill_climbing: QueryCounter, by_dictionary: QueryCounter) -> Figure:
        limits = [limit for limit in sorted(self.queries.limits) if limit <= self.queries.most]
        curves = [
            Curve(name, limits, *ends([counter.share_within(limit) for limit in limits]))
            for name, counter in ((f"by {self.answers}", hill_climbing), ("by dictionary", by_dictionary))
        ]
        blind = Curve("chance", limits, [self.operating_point.blind_success(limit) for limit in limits])
        title = f"{self.title} ({self.answers}): success under a rate limit"
        axes = (title, "queries allowed for each victim", "share of victims")
        return Figure(*axes, [*curves, blind], log_x=True, control_curves=["by dictionary", "chance"])
