"""Inversion of templates: reconstruct an image from its template, and test whether the system accepts it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.acceptance_attack import AcceptanceAttack, share
from veilbench.families.templates.attacks.decoders import Decoders, fit_decoder
from veilbench.families.templates.attacks.gradient_search import GradientSearch, optimise_images
from veilbench.families.templates.attacks.operating_point import OperatingPoint
from veilbench.families.templates.attacks.surrogate import exact_score, surrogate_score
from veilbench.families.templates.attacks.system import TemplateSystem, split_auxiliary
from veilbench.families.templates.attacks.template_features import TemplateFeatures
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr, ssim
from veilbench.metrics.intervals import ends, mean
from veilbench.metrics.nearest import nearest

SHOWN, HELD_OUT = 8, 0.2

Reconstructions = dict[str, tuple[np.ndarray, np.ndarray]]  # attacker -> images of the victims, of held-out impressions


class TemplateInversion(AcceptanceAttack):
    """Trains decoders from templates to images on auxiliary identities, and presents the reconstructions to the system.

    If the threat model grants `key`, the attacker has each victim's key and maps templates to features under it, by
    `TemplateFeatures`. Otherwise the attacker draws keys of their own and learns across them. If it grants `weights`,
    and the scheme offers gradients, the attacker also refines the best reconstruction by gradient ascent on the match
    score. If that needs a key that they lack, and `score_queries` is granted, they fit a surrogate, a linear model of
    the match scores of their own images, and search for an image whose features match it.

    Success means that the system accepts the image. Besides SAR and PRAR (see `AcceptanceAttack`), `sar_other_at_<FMR>`
    is the share accepted by a template of another impression under the same key. Three baselines are reported with the
    attackers: the mean auxiliary image; the auxiliary image whose template is nearest; and the auxiliary image nearest
    to the hidden one, which no attacker could know: the best that a copy can do. The gain is the SAR `sar_at_<FMR>` of
    the attacker whose reconstructions of held-out impressions match best, above the larger of the false match rate and
    the mean image's SAR; its PRAR is `prar_at_<FMR>`.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key`, `weights` and `score_queries`
            add to the attack.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        decoders: kinds of decoders, their sizes and their training.
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
        found: Findings,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> None:
        """Reconstruct the victims' images; a control uses the largest size only."""
        system = self._enrol(found, target, data, rng)
        known, held_out = split_auxiliary(data.auxiliary, HELD_OUT, rng)
        most = self.operating_point.most_victims
        practice = held_out_system(system, held_out.chosen(rng.permutation(len(held_out))[:most]), rng)
        known = known.chosen(rng.permutation(len(known)))
        sizes = self._sizes(found, len(known))[-1 if control else 0 :]
        curves: dict[str, list[Metric]] = {kind: [] for kind in self.decoders.kinds}
        decoded: Reconstructions = {}
        for size in sizes:
            some = known.chosen(np.arange(size))
            features = TemplateFeatures(target, some, self.threat.key, rng)
            decoded = self._decode(features, some, system, practice, accelerator, rng)
            for kind, (images, _) in decoded.items():
                curves[kind].append(share(system.accepted(images)))
        own_images = known.images[: self.search.surrogate_queries]
        decoded |= self._refine(found, system, practice, own_images, decoded, accelerator)
        guesses = {kind: images for kind, (images, _) in decoded.items()}
        best = _best(decoded, practice)
        found.notes.append(f"The gain is that of the {best} attacker, whose held-out images score best.")
        others = self._baselines(system, features, some)
        self._report(found, system, guesses | others, best, rng)
        found.figures.append(_figure(curves, sizes, found, system.reference_fmr))
        if system.victims.images.shape[1] in (1, 3):
            rows = [("enrolled impression", system.victims.images), *guesses.items(), *others.items()]
            shown = [(name, images[:SHOWN]) for name, images in rows]
            found.pictures.append(picture("Enrolled impressions and reconstructions from their templates", shown))

    def _sizes(self, found: Findings, available: int) -> list[int]:
        """Return the sizes in ascending order, limited to the available impressions."""
        if (largest := max(self.decoders.sizes)) > available:
            found.notes.append(f"The attacker learns from {available} auxiliary impressions at most, not {largest}.")
        return sorted({min(size, available) for size in self.decoders.sizes})

    def _decode(
        self,
        features: TemplateFeatures,
        known: Impressions,
        system: TemplateSystem,
        practice: TemplateSystem,
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> Reconstructions:
        """Fit each decoder, and reconstruct the victims' and the held-out impressions."""
        codes = [features.transform(one.templates, one.keys) for one in (system, practice)]
        pairs = (features.transform_own(), known.images, codes[1], practice.victims.images)
        decoded: Reconstructions = {}
        for kind in self.decoders.kinds:
            inverse = fit_decoder(kind, pairs, self.decoders, accelerator, rng)
            decoded[kind] = inverse(codes[0]), inverse(codes[1])
        return decoded

    def _refine(
        self,
        found: Findings,
        system: TemplateSystem,
        practice: TemplateSystem,
        own_images: np.ndarray,
        decoded: Reconstructions,
        accelerator: Accelerator,
    ) -> Reconstructions:
        """Refine the best reconstructions by gradients; return nothing if the threat model forbids it."""
        scheme = system.scheme
        if not self.search.steps or not self.threat.weights or not isinstance(scheme, DifferentiableScheme):
            return {}
        white_box = self.threat.key or not scheme.keyed
        if not white_box and not self.threat.score_queries:
            found.notes.append("No search by gradients: it needs the victims' keys, or the system's scores.")
            return {}
        starts, device = decoded[_best(decoded, practice)], accelerator.device()
        first, second = (
            optimise_images(
                exact_score(one, scheme, device) if white_box else surrogate_score(one, scheme, own_images, device),
                start,
                self.search,
                device,
            )
            for one, start in zip((system, practice), starts, strict=True)
        )
        return {"white_box" if white_box else "surrogate": (first, second)}

    def _baselines(
        self, system: TemplateSystem, features: TemplateFeatures, known: Impressions
    ) -> dict[str, np.ndarray]:
        hidden = system.victims.images
        codes = features.transform(system.templates, system.keys)
        return {
            "mean_image": np.broadcast_to(known.images.mean(0), hidden.shape),
            "nearest_template": known.images[nearest(codes, features.transform_own())[0]],
            "nearest_image": known.images[nearest(hidden, known.images)[0]],
        }

    def _report(
        self,
        found: Findings,
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
            found.metrics[f"psnr_{name}"], found.metrics[f"ssim_{name}"] = quality
            shares = self._acceptance(systems, guess)
            found.metrics |= {f"{key}_{name}": rate for key, rate in shares.items()}
            if name == best:
                found.metrics |= shares
            rows.append([name, *quality, *shares.values()])
            columns = [*columns[:3], *shares]
        found.tables.append(Table("Reconstructions, and copies to compare with", columns, rows))
        found.notes.append("sar_other: accepted by a template of another impression under the same key.")
        if not system.scheme.keyed:
            found.notes.append("The templates have no key: PRAR is SAR.")
        mean_image = float(system.accepted(images["mean_image"]).mean())
        found.gain = self._gain(system.accepted(images[best]), system.reference_fmr, mean_image)


def held_out_system(system: TemplateSystem, impressions: Impressions, rng: np.random.Generator) -> TemplateSystem:
    """Return the same system with the attacker's held-out impressions enrolled, under keys of their own."""
    return replace(system, others=impressions).enrol(impressions, user_keys(impressions.identities, rng))


def _best(decoded: Reconstructions, practice: TemplateSystem) -> str:
    """Return the attacker whose reconstructions of the held-out impressions have the highest mean match score."""
    return max(decoded, key=lambda kind: float(practice.scores(decoded[kind][1]).mean()))


def _figure(curves: dict[str, list[Metric]], sizes: list[int], found: Findings, fmr: float) -> Figure:
    lines = [Curve(f"{kind} decoder", sizes, *ends(shares)) for kind, shares in curves.items()]
    flat = {"mean image": "mean_image", "nearest image": "nearest_image"}
    copies = [
        Curve(name, sizes, [found.metrics[f"sar_at_{fmr:g}_{key}"].value] * len(sizes)) for name, key in flat.items()
    ]
    title, y_label = "Inversion against the attacker's data", f"SAR at FMR {fmr:g}"
    return Figure(title, "auxiliary impressions", y_label, [*lines, *copies], log_x=True, control_curves=list(flat))
