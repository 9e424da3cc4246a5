"""The matcher as an oracle: find an accepted image using only the system's answers to queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.oracle_paths import OraclePaths
from veilbench.families.templates.attacks.query_counter import Queries, QueryCounter, present_dictionary
from veilbench.families.templates.attacks.recombination import OracleSearches
from veilbench.families.templates.attacks.system import TemplateSystem
from veilbench.families.templates.data.identities import Identities, ImageIdentities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.open_features import OpenFeatures
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr
from veilbench.metrics.intervals import ends, mean

SHOWN, COMPARED = 8, 16  # images in the picture; auxiliary images by whose scores the target and its features compare
# The positive control of recombination.
FEATURES_OF_REGIONS = RawTemplate(ImageExtractor("orientation", components=None, grid=4))


class TemplateOracle(AcceptanceAttack):
    """Queries the system with images, and uses its answers to find an image that it accepts.

    Two attackers have the same number of queries for each victim. One presents a dictionary: their own images. The
    other spends a part of the queries on the dictionary, and moves on from its best images. There are two paths:

    - recombination: blends the best images so far, and assembles images from pieces of its own by a regression of the
      scores (linear recovery from scores). It needs `scores`, the match score of each image.
    - evolution: moves the best image through the principal components of the own images by an evolution strategy. With
      `decisions` the system only returns whether the image is accepted; the attacker then moves from an accepted image
      to a region where more images are accepted. This cannot succeed earlier than the dictionary, but it improves the
      image, as `accepted_at_<FMR>_last_image` and PRAR show.

    The attacker takes the path that reaches higher scores as people of their own, whom they enrol and leave out of the
    dictionary. The last query presents the final image. Both paths are hill climbing on the match score (Adler 2003,
    "Sample images can be independently restored from face recognition templates").

    Any attacker with enough queries is accepted by chance: q images of strangers are accepted with probability
    1 - (1 - FMR)^q. The gain is the share of victims for whom an image of the second attacker was accepted within the
    allowed queries, above this probability.

    Each path has a positive control of the kind that it is good at: evolution finds images for features that depend on
    the whole image, recombination for those that depend on it region by region. The third one is the subject's own
    features without protection, attacked as the subject is: if the search does not lead into these, the subject's
    resistance says nothing about its transformation. A subject whose scores are those of its features is this control
    itself, since an oracle only gives scores: its gain is then taken for both.

    Args:
        threat: threat model; needs `auxiliary_data`, and `score_queries` or `decision_queries`.
        positive: positive control of evolution: a scheme that the path must break, with features of the whole image.
        negative: negative control: a scheme that the attack must not beat.
        answers: what the system returns: match "scores", or "decisions" to accept or reject.
        queries: maximum number of queries per victim, and the query limits shown in the figure.
        searches: settings of the evolution strategy and of the recombination search.
        operating_point: false match rates and number of victims. The system decides at the reference rate; the last
            image is evaluated at every rate.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.

    Raises:
        ValueError: one generation of a search takes more queries than are allowed.
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
        searches: OracleSearches = OracleSearches(),
        operating_point: OperatingPoint = OperatingPoint(fmr=(0.001, 0.01), reference_fmr=0.001, most_victims=60),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, operating_point, broken_threshold)
        for name, search in (("evolution", searches.evolution), ("recombination", searches.recombination)):
            if search.population > queries.most:
                raise ValueError(f"{name}.population={search.population} must be at most queries.most={queries.most}")
        self.answers, self.queries, self.searches = answers, queries, searches
        self.paths = OraclePaths(answers, queries.most, searches)
        self.threat_needs = ("auxiliary_data", "score_queries" if answers == "scores" else "decision_queries")

    def variant(self) -> str:
        """Return what the system answers."""
        return self.answers

    def control_cases(self, target: TemplateScheme, data: Identities) -> Sequence[ControlCase[TemplateScheme]]:
        """Return one positive control for each path, the target's open features, and the negative control."""
        positive, opened, negative = self._controls_on_open_features(target, data, ["open features"])
        openly = opened.scheme
        assert isinstance(openly, OpenFeatures)
        opened = replace(opened, is_target=openly.compares_alike(data.auxiliary.samples[:COMPARED]))
        schemes = {"evolution": self.positive, "recombination": FEATURES_OF_REGIONS}
        of_paths = [replace(positive, scheme=schemes[path], path=path) for path in self.paths.names()]
        return [*of_paths, opened, negative]

    def run_control(
        self,
        case: ControlCase[TemplateScheme],
        scheme: TemplateScheme,
        data: Identities,
        trainer: Accelerator,
        rng: np.random.Generator,
    ) -> Findings:
        """Attack a control by the path of the case only, or as the target is attacked if it is not that of a path."""
        path = case.path if case.path in self.paths.names() else ""
        return self._guard(
            scheme,
            data,
            lambda findings: self.attack(findings, scheme, data, trainer, rng, control=True, path=path),
        )

    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
        path: str = "",
    ) -> None:
        """Query the system with a dictionary of auxiliary images, and by hill climbing.

        Args:
            findings: findings to add to; the title is already set.
            target: scheme to attack, with trained weights.
            data: identities, split into roles.
            accelerator: device and trainer settings.
            rng: source of all random numbers.
            control: whether this is a control run.
            path: path to take, "evolution" or "recombination"; empty for the better one on the attacker's own people.
        """
        system = self._enrol(findings, target, data, rng)
        own = data.auxiliary.images[rng.permutation(len(data.auxiliary))]
        chosen = path or self.paths.choose(system, data.auxiliary, rng)
        if len(self.paths.names()) > 1:
            findings.notes.append(
                f"The gain is that of the path {chosen}, the better one on the attacker's own people."
            )
        hill_climbing, images = self.paths.take(chosen, system, own, rng)
        self._find_gain(findings, hill_climbing)
        if control:
            return
        by_dictionary = QueryCounter(system)
        present_dictionary(by_dictionary, own[: self.queries.most], self.searches.evolution.population)
        self._report(findings, system, images, hill_climbing, by_dictionary, rng)

    def _find_gain(self, findings: Findings, hill_climbing: QueryCounter) -> None:
        """Set the gain: the share of victims for whom an image was accepted, above that of blind guesses."""
        setting = f"queries.most={self.queries.most} at operating_point.reference_fmr"
        chance = self.operating_point.blind_success(self.queries.most)
        self._set_gain(findings, hill_climbing.system, hill_climbing.highest, {setting: chance})

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
