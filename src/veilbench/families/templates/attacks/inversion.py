"""Inversion of templates: reconstruct an image from its template, and test whether the system accepts it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack, share_of_true
from veilbench.families.templates.attacks.decoders import Decoders, fit_decoder
from veilbench.families.templates.attacks.gradient_search import GradientSearch, optimise_images
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.surrogate import build_exact_score, build_surrogate_score
from veilbench.families.templates.attacks.system import TemplateSystem, split_auxiliary
from veilbench.families.templates.attacks.template_features import TemplateFeatures
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import draw_user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr, ssim
from veilbench.metrics.intervals import ends, mean
from veilbench.metrics.nearest import nearest

SHOWN, HELD_OUT = 8, 0.2  # images in the picture; share of the auxiliary identities to choose the attacker on

Reconstructions = dict[str, tuple[np.ndarray, np.ndarray]]  # attacker -> images of victims, of held-out impressions


class TemplateInversion(AcceptanceAttack):
    """Trains decoders from templates to images on auxiliary identities, and presents the reconstructions to the system.

    If the threat model grants `key`, the attacker knows each victim's key, and `TemplateFeatures` maps the template to
    features under this key. Otherwise the decoders are trained on templates under many random keys. If the threat model
    grants `weights` and the scheme is differentiable, the attacker also refines the best reconstruction by gradient
    ascent on the match score. If this requires an unknown key but `score_queries` is granted, a surrogate replaces the
    match score: a linear model fitted to the scores of the attacker's own images.

    An attack succeeds if the system accepts the image. Besides SAR and PRAR (see `AcceptanceAttack`),
    `sar_other_at_<FMR>` is the share accepted by a template of another impression under the same key. Three baselines
    are reported: the mean auxiliary image; the auxiliary image with the nearest template; and the auxiliary image
    nearest to the victim's image, an oracle that bounds what copying can achieve. The gain is the SAR `sar_at_<FMR>` of
    the attacker with the highest mean match score on held-out impressions, above the larger of the false match rate and
    the mean image's SAR. The PRAR of this attacker is `prar_at_<FMR>`.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key`, `weights` and `score_queries`
            enable further steps, as described above.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        decoders: kinds of decoders, sizes of their training sets, and training steps.
        search: budget of the gradient search that refines the best reconstruction.
        operating_point: false match rates of the system, and number of victims.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    title = "Inversion of templates"
    budget_parameter = "decoders.sizes"
    threat_needs = ("ciphertext", "auxiliary_data", "own_keys")

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        decoders: Decoders = Decoders(),
        search: GradientSearch = GradientSearch(),
        operating_point: OperatingPoint = OperatingPoint(most_victims=100),
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, operating_point, broken_threshold)
        self.decoders, self.search = decoders, search

    def variant(self) -> str:
        """Return whether the victims' keys are known."""
        return "key known" if self.threat.key else "key unknown"

    def attack(
        self,
        findings: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Reconstruct the victims' images; a control run uses the largest training set only."""
        system = self._enrol(findings, target, data, rng)
        training, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        most = self.operating_point.most_victims
        validation = held_out_system(system, held_out.subset(rng.permutation(len(held_out))[:most]), rng)
        training = training.subset(rng.permutation(len(training)))
        sizes = self._limit_sizes(findings, len(training))[-1 if control else 0 :]
        curves: dict[str, list[Metric]] = {kind: [] for kind in self.decoders.kinds}
        reconstructions: Reconstructions = {}
        for size in sizes:
            subset = training.subset(np.arange(size))
            features = TemplateFeatures(target, subset, self.threat.key, rng)
            reconstructions = self._reconstruct(features, subset, system, validation, accelerator, rng)
            for kind, (images, _) in reconstructions.items():
                curves[kind].append(share_of_true(system.accepts(images)))
        own_images = training.images[: self.search.surrogate_queries]
        reconstructions |= self._refine(findings, system, validation, own_images, reconstructions, accelerator)
        guesses = {kind: images for kind, (images, _) in reconstructions.items()}
        best = _best_attacker(reconstructions, validation)
        findings.notes.append(f"The gain is that of the {best} attacker, whose held-out images score best.")
        others = self._baselines(system, features, subset)
        self._report(findings, system, guesses | others, best, rng)
        findings.figures.append(_figure(curves, sizes, findings, system.reference_fmr))
        if system.victims.images.shape[1] in (1, 3):
            rows = [("enrolled impression", system.victims.images), *guesses.items(), *others.items()]
            picture_rows = [(name, images[:SHOWN]) for name, images in rows]
            findings.pictures.append(
                picture("Enrolled impressions and reconstructions from their templates", picture_rows)
            )

    def _limit_sizes(self, findings: Findings, available: int) -> list[int]:
        """Return the sizes of the training sets, ascending and capped at the available number of impressions."""
        if (largest := max(self.decoders.sizes)) > available:
            findings.notes.append(f"The attacker learns from {available} auxiliary impressions at most, not {largest}.")
        return sorted({min(size, available) for size in self.decoders.sizes})

    def _reconstruct(
        self,
        features: TemplateFeatures,
        training: Impressions,
        system: TemplateSystem,
        validation: TemplateSystem,
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> Reconstructions:
        """Fit each decoder, and reconstruct the victims' and the held-out impressions."""
        codes = [features.transform(deployed.templates, deployed.keys) for deployed in (system, validation)]
        pairs = (features.transform_own(), training.images, codes[1], validation.victims.images)
        reconstructions: Reconstructions = {}
        for kind in self.decoders.kinds:
            inverse = fit_decoder(kind, pairs, self.decoders, accelerator, rng)
            reconstructions[kind] = inverse(codes[0]), inverse(codes[1])
        return reconstructions

    def _refine(
        self,
        findings: Findings,
        system: TemplateSystem,
        validation: TemplateSystem,
        own_images: np.ndarray,
        reconstructions: Reconstructions,
        accelerator: Accelerator,
    ) -> Reconstructions:
        """Refine the best reconstructions by gradient ascent; return {} if this is impossible or not granted."""
        scheme = system.scheme
        if not self.search.steps or not self.threat.weights or not isinstance(scheme, DifferentiableScheme):
            return {}
        white_box = self.threat.key or not scheme.keyed
        if not white_box and not self.threat.score_queries:
            findings.notes.append("No search by gradients: it needs the victims' keys, or the system's scores.")
            return {}
        starts, device = reconstructions[_best_attacker(reconstructions, validation)], accelerator.device()
        first, second = (
            optimise_images(
                build_exact_score(deployed, scheme, device)
                if white_box
                else build_surrogate_score(deployed, scheme, own_images, device),
                start,
                self.search,
                device,
            )
            for deployed, start in zip((system, validation), starts, strict=True)
        )
        return {"white_box" if white_box else "surrogate": (first, second)}

    def _baselines(
        self, system: TemplateSystem, features: TemplateFeatures, training: Impressions
    ) -> dict[str, np.ndarray]:
        victim_images = system.victims.images
        codes = features.transform(system.templates, system.keys)
        return {
            "mean_image": np.broadcast_to(training.images.mean(0), victim_images.shape),
            "nearest_template": training.images[nearest(codes, features.transform_own())[0]],
            "nearest_image": training.images[nearest(victim_images, training.images)[0]],
        }

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
        mean_image = float(system.accepts(images["mean_image"]).mean())
        findings.gain = self._gain(system.accepts(images[best]), system.reference_fmr, mean_image)


def held_out_system(system: TemplateSystem, impressions: Impressions, rng: np.random.Generator) -> TemplateSystem:
    """Return the same system with the attacker's held-out impressions enrolled, under new random keys."""
    return replace(system, others=impressions).enrol(impressions, draw_user_keys(impressions.identities, rng))


def _best_attacker(reconstructions: Reconstructions, validation: TemplateSystem) -> str:
    """Return the attacker whose reconstructions of the held-out impressions have the highest mean match score."""
    return max(reconstructions, key=lambda kind: float(validation.score(reconstructions[kind][1]).mean()))


def _figure(curves: dict[str, list[Metric]], sizes: list[int], findings: Findings, fmr: float) -> Figure:
    lines = [Curve(f"{kind} decoder", sizes, *ends(shares)) for kind, shares in curves.items()]
    flat = {"mean image": "mean_image", "nearest image": "nearest_image"}
    copies = [
        Curve(name, sizes, [findings.metrics[f"sar_at_{fmr:g}_{key}"].value] * len(sizes)) for name, key in flat.items()
    ]
    title, y_label = "Inversion against the attacker's data", f"SAR at FMR {fmr:g}"
    return Figure(title, "auxiliary impressions", y_label, [*lines, *copies], log_x=True, control_curves=list(flat))
