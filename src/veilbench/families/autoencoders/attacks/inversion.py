"""Inversion of codes: reconstruct a row from its code, for an attacker without the decoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.attack_methods.ridge import ridge
from veilbench.attack_methods.trained_inverse import Trained
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack, ControlCase
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, PositiveShare, Steps, Width
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.autoencoders.attacks.inverters import LEAST_CEILING, Inverters
from veilbench.families.autoencoders.baselines.folded_code import FoldedCode
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.error_share import error_share, share_of_best
from veilbench.metrics.grids import picture
from veilbench.metrics.image import decibels, squared_errors
from veilbench.metrics.intervals import ends, mean
from veilbench.metrics.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 10  # images per row of the picture
BENT = 8  # principal components that the second positive control encodes, if there are as many


class Inversion(Attack[Representation, Rows]):
    """Trains inverters on auxiliary rows and their codes, and inverts the codes of test rows.

    The attacker may encode rows of their own, and sees the codes of the rows that they want. The validation rows choose
    the strength of a regression, the moment at which training of a perceptron stops, and the attacker whose result
    counts.

    The gain is the share of what the best decoder recovers. A guess recovers 1 - (its squared error) / (that of the
    mean row that the attacker has), so 0 is what is known without any code. A code leaves out part of a row, which
    cannot be recovered: an attacker who reconstructs as well as the best decoder has used all that the code holds, and
    has a gain of 1. The best decoder is the model's own or the best attacker, whichever has the lower error on the
    validation rows. It counts as recovering `LEAST_CEILING` at least. Otherwise, a code that hides nearly everything
    would be called broken, and for one that hides everything the gain would be a ratio of two small random numbers. The
    metrics `recovered` and `recovered_by_best_decoder` are the shares themselves. For an encoder without a decoder, the
    best decoder is the best attacker.

    Several baselines are reported with the attackers: the mean row; the auxiliary row with the nearest code; the
    victim's own decoder, which is an upper bound unless an attacker does better; and for images the auxiliary image
    nearest to the hidden one, which no attacker could know: the best that a copy can do.

    There are two positive controls, both attacked by all attackers: `positive`, and `FoldedCode`, whose code tells
    everything but not to a linear attacker. The budget is the number of auxiliary rows or that of training steps,
    whichever raised the held-out gain more when it was last doubled.

    Args:
        threat: threat model; needs `ciphertext`, `auxiliary_data` and `code_queries`.
        positive: positive control: a representation that the attack must invert.
        negative: negative control: a representation that the attack must not invert.
        attackers: kinds of inverters: "linear" (ridge regression) or "mlp" (perceptron).
        hidden: units of each of the perceptron's two hidden layers.
        steps: maximum number of training steps of the perceptron, which stops when doubling them brings nothing.
        sizes: numbers of auxiliary rows that the attacker has; a larger number than there are means all. Half of the
            largest is added to them.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Rows
    target_kind = Representation
    target_needs = ("bottleneck",)

    title = "Inversion of codes"
    budget_parameter = "sizes"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Representation,
        negative: Representation,
        attackers: Annotated[Sequence[Literal["linear", "mlp"]], MinLen(1)] = ("linear", "mlp"),
        hidden: Width = 256,
        steps: Steps = 2000,
        sizes: Annotated[Sequence[Annotated[Count, Ge(2)]], MinLen(1)] = (100, 1000, 10_000),
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.attackers, self.hidden, self.steps, self.sizes = list(attackers), hidden, steps, sorted(sizes)

    def control_cases(self, target: Representation, data: Rows) -> Sequence[ControlCase[Representation]]:
        """Return the controls: a code that linear attackers invert, one that only others invert, and a negative one."""
        components = min(BENT, len(data.train), math.prod(data.shape))
        return [
            ControlCase("positive", self.positive, "linear codes"),
            ControlCase("positive", FoldedCode(components), "nonlinear codes"),
            ControlCase("negative", self.negative),
        ]

    def run(
        self, target: Representation, rows: Rows, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Run the attack on a representation and report its gain; a control uses the largest size only."""
        self.threat.require("ciphertext", "auxiliary_data", "code_queries")
        findings, n = Findings(self.title), len(rows.auxiliary)
        if self.sizes[-1] > n:
            findings.notes.append(f"The attacker has {n} auxiliary rows at most, not {self.sizes[-1]}.")
        known, hidden = rows.auxiliary.x[rng.permutation(n)], rows.test.x
        inverters = self._train(target, known, rows.validation.x, self._sizes(n, control), accelerator, rng)
        known_codes, codes = target.encode(known), target.encode(hidden)
        guesses = {
            f"{kind}_{size}": trained.inverse(codes).reshape(hidden.shape)
            for (kind, size), trained in inverters.trained.items()
        }
        guesses |= self._baselines(target, codes, known_codes, known, hidden)
        guesses["mean_row"] = np.broadcast_to(_mean_row(known, rows.validation.x), hidden.shape)
        self._report(findings, hidden, guesses, inverters, rng)
        return findings

    def _sizes(self, n: int, control: bool) -> list[int]:
        """Return the numbers of auxiliary rows to train on, increasing; a control is attacked with the largest."""
        largest = min(self.sizes[-1], n)
        if control:
            return [largest]
        return sorted({min(size, n) for size in self.sizes} | {max(2, largest // 2)})

    def _train(
        self,
        target: Representation,
        known: np.ndarray,
        held_out: np.ndarray,
        sizes: list[int],
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> Inverters:
        """Train each kind of attacker on each number of rows."""
        known_codes, held_out_codes, flat = target.encode(known), target.encode(held_out), _flat(known)
        trained: dict[tuple[str, int], Trained] = {}
        for size in sizes:
            pairs = known_codes[:size], flat[:size], held_out_codes, _flat(held_out)
            trained |= {(kind, size): self._fit_inverter(kind, pairs, accelerator, rng) for kind in self.attackers}
        mean_row = np.broadcast_to(_mean_row(known, held_out), held_out.shape)
        own = [target.decode(held_out_codes)] if _has_decoder(target) else []
        mean_error, *own_error = (float(squared_errors(guess, held_out).mean()) for guess in (mean_row, *own))
        return Inverters(trained, mean_error, *own_error)

    def _fit_inverter(
        self,
        kind: str,
        pairs: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> Trained:
        if kind == "linear":
            return Trained(*ridge(*pairs), {})
        from veilbench.attack_methods.inverter import fit_perceptron

        return fit_perceptron(*pairs, self.hidden, self.steps, accelerator, rng)

    def _baselines(
        self, target: Representation, codes: np.ndarray, known_codes: np.ndarray, known: np.ndarray, hidden: np.ndarray
    ) -> dict[str, np.ndarray]:
        guesses = {"nearest_code": known[nearest(codes, known_codes)[0]]}
        if _has_decoder(target):
            guesses["own_decoder"] = target.decode(codes)
        if hidden.ndim == 4:
            guesses["nearest_image"] = known[nearest(hidden, known)[0]]
        return guesses

    def _report(
        self,
        findings: Findings,
        hidden: np.ndarray,
        guesses: Mapping[str, np.ndarray],
        inverters: Inverters,
        rng: np.random.Generator,
    ) -> None:
        wrong = {name: squared_errors(guess, hidden) for name, guess in guesses.items()}
        spread = squared_errors(np.broadcast_to(hidden.mean(0), hidden.shape), hidden)
        for name in guesses:
            findings.metrics[f"mse_{name}"] = Metric.exact(float(wrong[name].mean()), len(hidden))
            findings.metrics[f"variance_explained_{name}"] = error_share(wrong[name], spread, rng, 0.95)
            if hidden.ndim == 4:
                findings.metrics[f"psnr_{name}"] = mean(list(decibels(wrong[name])), unit="dB")
        self._judge(findings, wrong, inverters, rng)
        self._draw(findings, inverters)
        if hidden.ndim == 4 and hidden.shape[1] in (1, 3):
            self._show(findings, hidden, guesses, inverters)

    def _judge(
        self, findings: Findings, wrong: dict[str, np.ndarray], inverters: Inverters, rng: np.random.Generator
    ) -> None:
        """Report the gain, what it is a share of, and its budget."""
        attacker, decoder = inverters.best_attacker(), inverters.best_decoder()
        found, best, base = wrong[attacker], wrong[decoder], wrong["mean_row"]
        findings.gain = share_of_best(found, best, base, LEAST_CEILING, rng, CONFIDENCE)
        findings.metrics["recovered"] = error_share(found, base, rng, 0.95)
        findings.metrics["recovered_by_best_decoder"] = error_share(best, base, rng, 0.95)
        findings.notes.append(
            f"The gain is that of the {attacker} attacker, the best one on held-out rows, as a share of what {decoder} "
            "recovers, the best decoder on these rows."
        )
        findings.budget = inverters.budget()
        for name, curve in (("rows", inverters.by_rows()), ("steps", inverters.by_steps())):
            if curve and (rise := curve.last_rise()) is not None:
                findings.metrics[f"rise_by_doubling_{name}"] = Metric.exact(rise, len(curve.budgets))

    def _show(
        self, findings: Findings, hidden: np.ndarray, guesses: Mapping[str, np.ndarray], inverters: Inverters
    ) -> None:
        """Add a picture of test images and their reconstructions, of attackers with the most rows only."""
        smaller = {f"{kind}_{size}" for kind, size in inverters.trained if size < inverters.sizes()[-1]}
        shown = [(k, v[:SHOWN]) for k, v in guesses.items() if k not in smaller | {"mean_row"}]
        pictures = [("input", hidden[:SHOWN]), *shown]
        findings.pictures.append(picture("Test images and reconstructions from their codes", pictures))

    def _draw(self, findings: Findings, inverters: Inverters) -> None:
        sizes = inverters.sizes()

        def curve(name: str, keys: list[str]) -> Curve:
            shares = [findings.metrics[f"variance_explained_{key}"] for key in keys]
            return Curve(name, sizes, *ends(shares))

        curves = [curve(f"{kind} inverter", [f"{kind}_{size}" for size in sizes]) for kind in self.attackers]
        flat = {"mean row": "mean_row", "nearest code": "nearest_code"}
        own = {"own decoder": "own_decoder"} if "variance_explained_own_decoder" in findings.metrics else {}
        curves += [curve(name, [key] * len(sizes)) for name, key in (own | flat).items()]
        title, y_label = "Inversion against the attacker's data", "share of the variance explained"
        findings.figures.append(Figure(title, "auxiliary rows", y_label, curves, log_x=True, control_curves=list(flat)))


def _has_decoder(target: Representation) -> bool:
    return "decode" not in target.lacks()


def _mean_row(known: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return the mean of all rows that the attacker has."""
    return np.asarray(np.concatenate([known, held_out]).mean(0))


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
