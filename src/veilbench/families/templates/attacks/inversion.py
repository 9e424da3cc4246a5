"""Inversion of templates: reconstruct an image from its template, and test whether the system accepts it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.decoders import Decoders
from veilbench.families.templates.attacks.disclosed_template import DisclosedTemplateAttack
from veilbench.families.templates.attacks.gradient_search import GradientSearch
from veilbench.families.templates.attacks.judged_images import judge_images
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.reconstructions import Case, Knowledge, Reconstructions, reconstruct
from veilbench.families.templates.attacks.system import TemplateSystem, held_out_system, split_auxiliary
from veilbench.families.templates.data.identities import Identities, ImageIdentities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import has_gradients
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr, ssim
from veilbench.metrics.intervals import ends, mean
from veilbench.metrics.nearest import nearest

SHOWN, HELD_OUT = 8, 0.2  # images in the picture; share of the auxiliary identities to choose the attacker on


class TemplateInversion(DisclosedTemplateAttack):
    """Reconstructs images from templates, and presents them to the system.

    There are three paths:

    - decoders: networks from templates to images, trained on auxiliary identities. If the threat model grants `key`,
      the attacker knows each victim's key, and `TemplateFeatures` maps the template to features under this key.
      Otherwise the decoders are trained on templates under many random keys.
    - own prints: the attacker's own image that is most similar to the victim's template. With the victims' keys, or if
      there are none, they compute the match scores; with `score_queries` they query them; without both they compare the
      template with their own ones under other keys.
    - search: gradient ascent on the match score, from the best reconstruction. It needs `weights` and a differentiable
      scheme. If it requires an unknown key but `score_queries` is granted, a surrogate replaces the match score: a
      linear model fitted to the scores of the attacker's own images.

    An attack succeeds if the system accepts the image. Besides SAR and PRAR (see `AcceptanceAttack`),
    `sar_other_at_<FMR>` is the share accepted by a template of another impression under the same key. Two baselines
    are reported: the mean auxiliary image; and the auxiliary image nearest to the victim's image, an oracle that bounds
    what copying can achieve. The gain is the SAR `sar_at_<FMR>` of the attacker who is accepted most often on held-out
    impressions, above the larger of the false match rate and the mean image's SAR. The PRAR of this attacker is
    `prar_at_<FMR>`. An attacker who may test many of their own images is accepted by every system to some degree:
    `any_of_own_prints` is the probability if each image is accepted at the false match rate, independently.

    With a `judge`, all images are presented to that matcher too, against the enrolled impression and against another
    one (type I and II), see `Judge`, if the attacked system accepts any of the best attacker's. It does not affect the
    gain.

    The positive controls include the subject's own features without protection, once for the decoders and once for the
    search if there is one: where these fail, the subject's resistance says nothing about its key.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key`, `weights` and `score_queries`
            enable further steps, as described above.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat; None shows the attacker a stranger's
            template in place of each victim's, which is needed if the threat model lets them test their own images.
        decoders: kinds of decoders, sizes of their training sets, and training steps.
        search: budget of the gradient search that refines the best reconstruction.
        operating_point: false match rates of the system, and number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
        judge: another matcher that judges the images; None for none.
    """

    data_kind = ImageIdentities
    title = "Inversion of templates"
    budget_parameter = "decoders.sizes"
    threat_needs = ("ciphertext", "auxiliary_data", "own_keys")

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme | None = None,
        decoders: Decoders = Decoders(),
        search: GradientSearch = GradientSearch(),
        operating_point: OperatingPoint = OperatingPoint(most_victims=100),
        broken_threshold: PositiveShare = 0.5,
        judge: TemplateScheme | None = None,
    ) -> None:
        super().__init__(threat, positive, negative, operating_point, broken_threshold)
        self.decoders, self.search, self.judge = decoders, search, judge

    def variant(self) -> str:
        """Return whether the victims' keys are known, and whether scores can be queried."""
        words = "key known" if self.threat.key else "key unknown"
        return f"{words}, by scores" if self.threat.score_queries and not self.threat.key else words

    def control_cases(self, target: TemplateScheme, data: Identities) -> Sequence[ControlCase[TemplateScheme]]:
        """Return the constructor's controls, and the target's open features for each path that can be attacked."""
        way = self._way_to_search(target)
        return self._controls_on_open_features(target, data, ["decoders", way] if way else ["decoders"])

    def run_control(
        self,
        case: ControlCase[TemplateScheme],
        scheme: TemplateScheme,
        data: Identities,
        trainer: Accelerator,
        rng: np.random.Generator,
    ) -> Findings:
        """Attack a control by the path of the case only."""
        return self._guard(
            scheme,
            data,
            lambda findings: self.attack(findings, scheme, data, trainer, rng, control=True, path=case.path),
        )

    def _way_to_search(self, target: TemplateScheme) -> str:
        """Return the name of the search by gradients that the threat model allows; empty if it allows none."""
        if not self.search.steps or not self.threat.weights or not has_gradients(target):
            return ""
        if self.threat.key or not target.keyed:
            return "white_box"
        return "surrogate" if self.threat.score_queries else ""

    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
        strangers: bool = False,
        path: str = "",
    ) -> None:
        """Reconstruct the victims' images; a control run uses the largest training set only.

        Args:
            findings: findings to add to; the title is already set.
            target: scheme to attack, with trained weights.
            data: identities, split into roles.
            accelerator: device and trainer settings.
            rng: source of all random numbers.
            control: whether this is a control run, without curves and pictures.
            strangers: whether the attacker sees a stranger's template in place of each victim's.
            path: the only path to take: "decoders", "white_box" or "surrogate"; empty for all of them.
        """
        system = self._enrol(findings, target, data, rng)
        training, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        most = self.operating_point.most_victims
        validation = held_out_system(system, held_out.subset(rng.permutation(len(held_out))[:most]), rng)
        training = training.subset(rng.permutation(len(training)))
        sizes = self._limit_sizes(findings, len(training))[-1 if control else 0 :]
        seen = system.show_strangers() if strangers else system
        case = Case(seen, validation, training, sizes, self._knowledge(target, path))
        made = reconstruct(case, self.decoders, self.search, accelerator, rng)
        best = made.best_attacker(validation)
        findings.notes.append(f"The gain is that of the {best} attacker, accepted most often on held-out images.")
        if self.threat.weights and not self._way_to_search(target) and has_gradients(target):
            findings.notes.append("No search by gradients: it needs the victims' keys, or the system's scores.")
        if reason := target.lacks().get("gradients"):
            findings.notes.append(f"No search by gradients: {reason}.")
        mean_image = np.broadcast_to(training.images.mean(0), system.victims.images.shape)
        self._find_gain(findings, system, made.of_victims()[best], mean_image)
        if control:
            return
        closest = training.images[nearest(system.victims.images, training.images)[0]]
        images = made.of_victims() | {"mean_image": mean_image, "nearest_image": closest}
        self._report(findings, system, images, best, rng)
        findings.budget = made.curves.get(best)
        if made.tested:
            chance = self.operating_point.blind_success(made.tested)
            findings.metrics["any_of_own_prints"] = Metric.exact(chance, made.tested, "share")
        findings.figures.append(_figure(made, sizes, findings, system))
        self._show(findings, system, images)
        if self.judge is not None:
            judge_images(findings, self.judge, system, data, images, best, rng)

    def _knowledge(self, target: TemplateScheme, path: str) -> Knowledge:
        """Return what the attacker can do with the target by a path; all that is granted if it is empty."""
        way = path if path in ("white_box", "surrogate") else self._way_to_search(target)
        scores_known = self.threat.key or not target.keyed or self.threat.score_queries
        by_queries = self.threat.score_queries and target.keyed and not self.threat.key
        return Knowledge(
            key=self.threat.key,
            search="" if path == "decoders" else way,
            own_prints=not path,
            scores=scores_known,
            most_tested=self.search.surrogate_queries if by_queries else None,
        )

    def _limit_sizes(self, findings: Findings, available: int) -> list[int]:
        """Return the sizes of the training sets, ascending and capped at the available number of impressions."""
        if (largest := max(self.decoders.sizes)) > available:
            findings.notes.append(f"The attacker learns from {available} auxiliary impressions at most, not {largest}.")
        return sorted({min(size, available) for size in self.decoders.sizes})

    def _find_gain(
        self, findings: Findings, system: TemplateSystem, presented: np.ndarray, mean_image: np.ndarray
    ) -> None:
        """Set the gain from the images that the best attacker presents, and the mean image for each victim."""
        by_mean = float(system.accepts(mean_image).mean())
        chances = {"operating_point.reference_fmr": system.reference_fmr, "the mean image": by_mean}
        self._set_gain(findings, system, system.score(presented), chances)

    def _report(
        self,
        findings: Findings,
        system: TemplateSystem,
        images: dict[str, np.ndarray],
        best: str,
        rng: np.random.Generator,
    ) -> None:
        renewed = system.renew_keys(rng)
        systems = {"sar": system, "prar": renewed, "sar_other": system.enrol(system.others, system.keys)}
        columns = ["image", "PSNR (dB)", "SSIM"]
        rows: list[list[str | float | Metric | None]] = []
        for name, guess in images.items():
            quality = [mean(measure(guess, system.victims.images), unit="") for measure in (psnr, ssim)]
            findings.metrics[f"psnr_{name}"], findings.metrics[f"ssim_{name}"] = quality
            shares = self._acceptance_rates(systems, guess)
            findings.metrics |= {f"{key}_{name}": rate for key, rate in shares.items()}
            if name == best:
                findings.metrics |= shares
            rows.append([name, *quality, *shares.values()])
            columns = [*columns[:3], *shares]
        findings.tables.append(Table("Reconstructions, and copies to compare with", columns, rows))
        findings.notes.append("sar_other: accepted by a template of another impression under the same key.")
        if not system.scheme.keyed:
            findings.notes.append("The templates have no key: PRAR is SAR.")

    def _show(self, findings: Findings, system: TemplateSystem, guesses: dict[str, np.ndarray]) -> None:
        if system.victims.images.shape[1] not in (1, 3):
            return
        rows = [("enrolled impression", system.victims.images), *guesses.items()]
        shown = [(name, images[:SHOWN]) for name, images in rows]
        findings.pictures.append(picture("Enrolled impressions and reconstructions from their templates", shown))


def _figure(made: Reconstructions, sizes: list[int], findings: Findings, system: TemplateSystem) -> Figure:
    fmr = system.reference_fmr
    lines = [
        Curve(f"{kind} decoder", sizes, *ends([system.share_accepted(system.score(images)) for images in by_size]))
        for kind, by_size in made.decoded_by_size.items()
    ]
    flat = {"mean image": "mean_image", "nearest image": "nearest_image"}
    copies = [
        Curve(name, sizes, [findings.metrics[f"sar_at_{fmr:g}_{key}"].value] * len(sizes)) for name, key in flat.items()
    ]
    title, y_label = "Inversion against the attacker's data", f"SAR at FMR {fmr:g}"
    return Figure(title, "auxiliary impressions", y_label, [*lines, *copies], log_x=True, control_curves=list(flat))
