"""Inversion of codes: reconstruct a row from its code, for an attacker without the decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.attack_methods.ridge import ridge
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare, Steps, Width
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.error_share import error_share
from veilbench.metrics.grids import picture
from veilbench.metrics.image import decibels, squared_errors
from veilbench.metrics.intervals import ends, mean
from veilbench.metrics.nearest import nearest

if TYPE_CHECKING:
    from veilbench.attack_methods.ridge import Inverse

SHOWN = 10  # images per row of the picture


class Inversion(Attack[Representation, Rows]):
    """Trains inverters on auxiliary rows and their codes, and inverts the codes of test rows.

    The attacker can encode their own rows, and sees the codes of the test rows. Validation rows choose the strength of
    the regression, the number of training steps of the perceptron, and the inverter that the gain is measured for. The
    gain is 1 - (squared error of the inverter) / (squared error of the mean auxiliary row), with the largest number of
    auxiliary rows: 0 for an attacker without codes, 1 for perfect reconstruction. It measures the share of the variance
    that is recovered, whether or not this share is relevant.

    Baselines are reported too: the mean auxiliary row; the auxiliary row with the nearest code; the model's own
    decoder; and for images the auxiliary image nearest to the original, an oracle that bounds what copying can achieve.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `code_queries`.
        positive: positive control: a representation that the attack must invert.
        negative: negative control: a representation that the attack must not invert.
        attackers: kinds of inverters: "linear" (ridge regression) or "mlp" (perceptron).
        hidden: units of each of the perceptron's two hidden layers.
        steps: training steps of the perceptron.
        sizes: numbers of auxiliary rows that the attacker has, capped at the available number.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Rows
    target_kind = Representation
    target_needs = ("decode",)

    title = "Inversion of codes"
    budget_parameter = "sizes"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Representation,
        negative: Representation,
        attackers: Annotated[Sequence[Literal["linear", "mlp"]], MinLen(1)] = ("linear", "mlp"),
        hidden: Width = 256,
        steps: Steps = 1000,
        sizes: Annotated[Sequence[Annotated[Count, Ge(2)]], MinLen(1)] = (100, 1000, 10_000),
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.attackers, self.hidden, self.steps, self.sizes = list(attackers), hidden, steps, sorted(sizes)

    def run(
        self, target: Representation, rows: Rows, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Run the attack and report its gain; a control run uses the largest number of auxiliary rows only."""
        self.threat.require("ciphertext", "auxiliary_data", "code_queries")
        findings, n = Findings(self.title), len(rows.auxiliary)
        sizes = sorted({min(size, n) for size in self.sizes})[-1 if control else 0 :]
        if self.sizes[-1] > n:
            findings.notes.append(f"The attacker has {n} auxiliary rows at most, not {self.sizes[-1]}.")
        order = rng.permutation(n)
        known, hidden = rows.auxiliary.x[order], rows.test.x
        known_codes, codes = target.encode(known), target.encode(hidden)
        held_out = (target.encode(rows.validation.x), _flatten(rows.validation.x))
        guesses: dict[tuple[str, int], np.ndarray] = {}
        errors: dict[tuple[str, int], float] = {}
        for size in sizes:
            for kind in self.attackers:
                pairs = (known_codes[:size], _flatten(known[:size]), *held_out)
                inverse, error = self._fit_inverter(kind, pairs, accelerator, rng)
                guesses[kind, size], errors[kind, size] = inverse(codes).reshape(hidden.shape), error
        baselines = self._baselines(target, codes, known_codes, known, hidden)
        self._report(findings, rows, guesses, errors, baselines, sizes, rng)
        return findings

    def _fit_inverter(
        self,
        kind: str,
        pairs: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> tuple[Inverse, float]:
        if kind == "linear":
            return ridge(*pairs)
        from veilbench.attack_methods.inverter import fit_perceptron

        return fit_perceptron(*pairs, self.hidden, self.steps, accelerator, rng)

    def _baselines(
        self, target: Representation, codes: np.ndarray, known_codes: np.ndarray, known: np.ndarray, hidden: np.ndarray
    ) -> dict[str, np.ndarray]:
        guesses = {
            "mean_row": np.broadcast_to(known.mean(0), hidden.shape),
            "nearest_code": known[nearest(codes, known_codes)[0]],
            "own_decoder": target.decode(codes),
        }
        if hidden.ndim == 4:
            guesses["nearest_image"] = known[nearest(hidden, known)[0]]
        return guesses

    def _report(
        self,
        findings: Findings,
        rows: Rows,
        guesses: dict[tuple[str, int], np.ndarray],
        errors: dict[tuple[str, int], float],
        baselines: dict[str, np.ndarray],
        sizes: list[int],
        rng: np.random.Generator,
    ) -> None:
        hidden, largest = rows.test.x, sizes[-1]
        reconstructions = {f"{kind}_{size}": guess for (kind, size), guess in guesses.items()} | baselines
        squared = {name: squared_errors(guess, hidden) for name, guess in reconstructions.items()}
        spread = squared_errors(np.broadcast_to(hidden.mean(0), hidden.shape), hidden)
        for name in reconstructions:
            findings.metrics[f"mse_{name}"] = Metric.exact(float(squared[name].mean()), len(hidden))
            findings.metrics[f"variance_explained_{name}"] = error_share(squared[name], spread, rng, 0.95)
            if hidden.ndim == 4:
                findings.metrics[f"psnr_{name}"] = mean(list(decibels(squared[name])), unit="dB")
        best = min(self.attackers, key=lambda kind: errors[kind, largest])
        findings.gain = error_share(squared[f"{best}_{largest}"], squared["mean_row"], rng, CONFIDENCE)
        findings.notes.append(f"The gain is that of the {best} attacker, the best one on held-out rows.")
        self._draw_figure(findings, sizes)
        if hidden.ndim == 4 and hidden.shape[1] in (1, 3):
            reconstructions_shown = {
                k: v for k, v in reconstructions.items() if k not in {f"{a}_{s}" for a, s in guesses if s != largest}
            }
            reconstructions_shown.pop("mean_row")
            pictures = [
                ("input", hidden[:SHOWN]),
                *((name, guess[:SHOWN]) for name, guess in reconstructions_shown.items()),
            ]
            findings.pictures.append(picture("Test images and reconstructions from their codes", pictures))

    def _draw_figure(self, findings: Findings, sizes: list[int]) -> None:
        def curve(name: str, keys: list[str]) -> Curve:
            shares = [findings.metrics[f"variance_explained_{key}"] for key in keys]
            return Curve(name, sizes, *ends(shares))

        curves = [curve(f"{kind} inverter", [f"{kind}_{size}" for size in sizes]) for kind in self.attackers]
        flat = {"own decoder": "own_decoder", "mean row": "mean_row", "nearest code": "nearest_code"}
        curves += [curve(name, [key] * len(sizes)) for name, key in flat.items()]
        title, y_label = "Inversion against the attacker's data", "share of the variance explained"
        findings.figures.append(
            Figure(title, "auxiliary rows", y_label, curves, log_x=True, control_curves=list(flat)[1:])
        )


def _flatten(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
