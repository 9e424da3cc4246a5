"""Inversion of templates: reconstruct an image from its template, and test whether the system accepts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE, Attack
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import Count, Natural, NotNegative, Positive, PositiveShare, Steps, Width
from veilbench.bench.threat import ThreatModel
from veilbench.families.templates.attacks.decoders import Decoder, decoder, searched
from veilbench.families.templates.attacks.reader import TemplateReader
from veilbench.families.templates.attacks.surrogate import by_scores, by_template
from veilbench.families.templates.attacks.system import FEWEST, TemplateSystem, deployed, divided
from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.evaluations.verification import user_keys
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr, ssim
from veilbench.metrics.intervals import above_chance, ends, mean, proportion
from veilbench.metrics.nearest import nearest

SHOWN, HELD_OUT = 8, 0.2


class TemplateInversion(Attack[TemplateScheme, Identities]):
    """Trains decoders from templates to images on auxiliary identities, and presents the reconstructions to the system.

    If the threat model grants `key`, the attacker has each victim's key and maps templates to features under it, by
    `TemplateReader`. Otherwise the attacker draws keys of their own and learns across them. If it grants `weights`, and
    the scheme offers gradients, the attacker also refines the best reconstruction by gradient ascent on the match
    score.
    If that needs a key that they lack, and `score_queries` is granted, they fit a surrogate, a linear model of the
    match
    scores of `asked` images of their own, and search for an image whose features match it.

    Success means that the system accepts the image. SAR (successful attack rate) is the share accepted in place of the
    enrolled impression, at a threshold where strangers are accepted at the false match rate; PRAR is the share accepted
    by a template of the same impression under a new key. Three baselines are reported with the attackers: the mean
    auxiliary image; the auxiliary image whose template is nearest; and the auxiliary image nearest to the hidden one,
    which no attacker could know: the best that a copy can do. The gain is the SAR at the false match rate
    `reference_budget`, of the attacker whose reconstructions of held-out impressions match best, above the larger of
    that rate and the mean image's SAR.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `own_keys`; `key`, `weights` and `score_queries`
            add to the attack.
        positive: positive control: a scheme that the attack must break.
        negative: negative control: a scheme that the attack must not beat.
        attackers: kinds of decoders: "linear", "mlp" or "convolutional".
        sizes: numbers of auxiliary impressions to learn from; a larger number than there are means all.
        components: number of principal components that the perceptron predicts.
        hidden: units of each of the perceptron's two layers.
        steps: training steps of the perceptron; the convolutional decoder makes a quarter of them.
        search_steps: steps of the gradient search; 0 leaves it out.
        smooth: weight of the total variation in the gradient search.
        asked: number of own images whose scores the surrogate is fitted to, if one is needed.
        fmr: false match rates at which the system may operate, each in (0, 1).
        reference_budget: false match rate at which the gain is measured, one of `fmr`.
        most_victims: maximum number of victims to attack.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Identities
    target_kind = TemplateScheme

    title = "Inversion of templates"
    budget_parameter = "sizes"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TemplateScheme,
        negative: TemplateScheme,
        attackers: Annotated[Sequence[Decoder], MinLen(1)] = ("linear", "mlp", "convolutional"),
        sizes: Annotated[Sequence[Annotated[Count, Ge(FEWEST)]], MinLen(1)] = (100, 2000),
        components: Width = 128,
        hidden: Width = 256,
        steps: Steps = 300,
        search_steps: Natural = 60,
        smooth: NotNegative = 0.1,
        asked: Annotated[Count, Ge(FEWEST)] = 300,
        fmr: Annotated[Sequence[Positive], MinLen(1)] = (0.01, 0.001),
        reference_budget: Positive = 0.01,
        most_victims: Annotated[Count, Ge(2)] = 100,
        broken_threshold: PositiveShare = 0.5,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if reference_budget not in fmr:
            raise ValueError(f"reference_budget={reference_budget} must be one of fmr={list(fmr)}")
        self.attackers, self.sizes, self.components = list(attackers), sorted(sizes), components
        self.hidden, self.steps, self.search_steps, self.smooth = hidden, steps, search_steps, smooth
        self.asked, self.fmr, self.reference_budget, self.most_victims = (
            asked,
            list(fmr),
            reference_budget,
            most_victims,
        )

    def run(
        self,
        target: TemplateScheme,
        data: Identities,
        accelerator: Accelerator,
        rng: np.random.Generator,
        control: bool,
    ) -> Findings:
        """Run the attack on a scheme and report its gain; a control uses the largest size only."""
        self.threat.require("ciphertext", "auxiliary_data", "own_keys")
        found = Findings(f"{self.title} ({'key known' if self.threat.key else 'key unknown'})")
        system = deployed(target, data, self.fmr, self.reference_budget, self.most_victims, rng)
        found.notes += [f"Refused: {reason}." for reason in system.refused]
        known, held_out = divided(data.auxiliary, HELD_OUT, rng)
        practice = practised(system, held_out.chosen(rng.permutation(len(held_out))[: self.most_victims]), rng)
        n, order = len(known), rng.permutation(len(known))
        if self.sizes[-1] > n:
            found.notes.append(f"The attacker learns from {n} auxiliary impressions at most, not {self.sizes[-1]}.")
        sizes = sorted({min(size, n) for size in self.sizes})[-1 if control else 0 :]
        curves: dict[str, list[Metric]] = {kind: [] for kind in self.attackers}
        made: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for size in sizes:
            some = known.chosen(order[:size])
            reader = TemplateReader(target, some, self.threat.key, rng)
            made = self._decoded(reader, some, system, practice, accelerator, rng)
            for kind, (images, _) in made.items():
                curves[kind].append(self._share(system.accepted(images, self.reference_budget)))
        made |= self._searched(found, system, practice, known.images[order[: self.asked]], made, accelerator)
        guesses = {kind: images for kind, (images, _) in made.items()}
        best = max(made, key=lambda kind: float(practice.scores(made[kind][1]).mean()))
        found.notes.append(f"The gain is that of the {best} attacker, whose held-out images score best.")
        others = self._baselines(system, reader, some)
        self._report(found, system, guesses | others, best, rng)
        found.figures.append(_figure(curves, sizes, found, self.reference_budget))
        if system.victims.images.shape[1] in (1, 3):
            rows = [("enrolled impression", system.victims.images), *guesses.items(), *others.items()]
            shown = [(name, images[:SHOWN]) for name, images in rows]
            found.pictures.append(picture("Enrolled impressions and reconstructions from their templates", shown))
        return found

    def _decoded(
        self,
        reader: TemplateReader,
        known: Impressions,
        system: TemplateSystem,
        practice: TemplateSystem,
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return reconstructions for the victims and for the held-out impressions, by each decoder."""
        read = [reader.read(one.templates, one.keys) for one in (system, practice)]
        pairs = (reader.own(), known.images, read[1], practice.victims.images)
        made: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for kind in self.attackers:
            inverse = decoder(kind, pairs, self.components, self.hidden, self.steps, accelerator, rng)
            made[kind] = inverse(read[0]), inverse(read[1])
        return made

    def _searched(
        self,
        found: Findings,
        system: TemplateSystem,
        practice: TemplateSystem,
        own: np.ndarray,
        made: dict[str, tuple[np.ndarray, np.ndarray]],
        accelerator: Accelerator,
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Refine the decoders' best reconstructions by gradients; return nothing if the threat model forbids it."""
        scheme = system.scheme
        if not self.search_steps or not self.threat.weights or not isinstance(scheme, DifferentiableScheme):
            return {}
        open_to_gradients = self.threat.key or not scheme.keyed
        if not open_to_gradients and not self.threat.score_queries:
            found.notes.append("No search by gradients: it needs the victims' keys, or the system's scores.")
            return {}
        starts = made[max(made, key=lambda kind: float(practice.scores(made[kind][1]).mean()))]
        device = accelerator.device()
        first, second = (
            searched(
                by_template(one, scheme, device) if open_to_gradients else by_scores(one, scheme, own, device),
                start,
                self.search_steps,
                self.smooth,
                device,
            )
            for one, start in zip((system, practice), starts, strict=True)
        )
        return {"white_box" if open_to_gradients else "surrogate": (first, second)}

    def _baselines(self, system: TemplateSystem, reader: TemplateReader, known: Impressions) -> dict[str, np.ndarray]:
        hidden = system.victims.images
        read = reader.read(system.templates, system.keys)
        return {
            "mean_image": np.broadcast_to(known.images.mean(0), hidden.shape),
            "nearest_template": known.images[nearest(read, reader.own())[0]],
            "nearest_image": known.images[nearest(hidden, known.images)[0]],
        }

    def _share(self, accepted: np.ndarray, confidence: float = 0.95) -> Metric:
        return proportion(int(accepted.sum()), len(accepted), confidence)

    def _report(
        self,
        found: Findings,
        system: TemplateSystem,
        images: dict[str, np.ndarray],
        best: str,
        rng: np.random.Generator,
    ) -> None:
        fresh = rng.integers(0, 2**64, len(system.keys), dtype=np.uint64)
        renewed = system.enrolled_anew(system.victims, fresh)
        other = system.enrolled_anew(system.others, system.keys)
        columns = ["image", "PSNR (dB)", "SSIM"]
        rows: list[list[str | float | Metric | None]] = []
        for name, made in images.items():
            likeness = [mean(measure(made, system.victims.images), unit="") for measure in (psnr, ssim)]
            found.metrics[f"psnr_{name}"], found.metrics[f"ssim_{name}"] = likeness
            shares = {}
            for fmr in system.thresholds:
                shares[f"sar_at_{fmr:g}"] = self._share(system.accepted(made, fmr))
                shares[f"prar_at_{fmr:g}"] = self._share(renewed.accepted(made, fmr))
                shares[f"sar_other_at_{fmr:g}"] = self._share(other.accepted(made, fmr))
            found.metrics |= {f"{key}_{name}": share for key, share in shares.items()}
            if name == best:
                found.metrics |= shares
            rows.append([name, *likeness, *shares.values()])
            columns = [*columns[:3], *shares]
        found.tables.append(Table("Reconstructions, and copies to compare with", columns, rows))
        found.notes.append("sar_other: accepted by a template of another impression under the same key.")
        if not system.scheme.keyed:
            found.notes.append("The templates have no key: PRAR is SAR.")
        chance = max(self.reference_budget, float(system.accepted(images["mean_image"], self.reference_budget).mean()))
        accepted = system.accepted(images[best], self.reference_budget)
        found.gain = above_chance(self._share(accepted, CONFIDENCE), min(chance, 0.999))


def practised(system: TemplateSystem, impressions: Impressions, rng: np.random.Generator) -> TemplateSystem:
    """Return the same system with the attacker's own impressions enrolled, under keys of their own."""
    return replace(system, victims=impressions, others=impressions).enrolled_anew(
        impressions, user_keys(impressions.identities, rng)
    )


def _figure(curves: dict[str, list[Metric]], sizes: list[int], found: Findings, fmr: float) -> Figure:
    lines = [Curve(f"{kind} decoder", sizes, *ends(made)) for kind, made in curves.items()]
    flat = {"mean image": "mean_image", "nearest image": "nearest_image"}
    copies = [
        Curve(name, sizes, [found.metrics[f"sar_at_{fmr:g}_{key}"].value] * len(sizes)) for name, key in flat.items()
    ]
    title, y_label = "Inversion against the attacker's data", f"SAR at FMR {fmr:g}"
    return Figure(title, "auxiliary impressions", y_label, [*lines, *copies], log_x=True, control_curves=list(flat))
