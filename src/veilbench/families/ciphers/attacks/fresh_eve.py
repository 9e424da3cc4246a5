"""Eves that are trained from scratch after Alice and Bob (Abadi and Andersen 2016, section 2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import BudgetCurve, Curve, Figure, Findings, Metric
from veilbench.bench.limits import PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack
from veilbench.families.ciphers.attacks.eve_training import EveTraining
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import above_chance, bounded_mean, ends

TRAINING = EveTraining()


class FreshEve(CipherAttack):
    """Trains Eves to decrypt random blocks without the random keys; the best on validation blocks is tested on others.

    Args:
        threat: threat model; needs `own_keys`.
        positive: positive control, a cipher that the attack must break at this budget; like the target, it must support
            `Cipher.encrypt_blocks`.
        negative: negative control, a cipher against which the attack must do no better than chance.
        hidden: units in each of the two hidden layers, one number per size; the gain is measured at the largest.
        training: number of Eves per size, and the settings of their training and test; the intervals are over the Eves.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    target_needs = ("encrypt_blocks",)

    title = "Fresh Eve"
    budget_parameter = "steps"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        steps: Annotated[Sequence[Steps], MinLen(1)] = (500, 1_000, 2_000),
        training: EveTraining = TRAINING,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.steps, self.training = sorted({*steps}), training

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Train Eves and test them after each number of steps; controls are tested at the end only."""
        from veilbench.families.ciphers.attacks.eve import examine_eves

        self.threat.require("own_keys")
        findings, bits = Findings(self.title), self.training.bits
        tested = examine_eves(cipher, self.training, self.steps[-1:] if control else self.steps, accelerator, rng)
        means = {steps: bounded_mean(shares, of="blocks") for steps, shares in tested.items()}
        for steps, metric in means.items():
            value, low, high = (bits * share for share in (metric.value, metric.low, metric.high))
            name = f"bits_recovered_of_{bits}_after_{steps}"
            findings.metrics[name] = Metric(value, low, high, metric.n, metric.interval)
        gains = [above_chance(metric, 0.5).value for metric in means.values()]
        findings.budget = BudgetCurve("training steps", list(means), gains)
        curve = Curve("Eve", list(means), *ends(list(means.values())))
        baseline = Curve("coin flips", curve.x, [0.5] * len(means))
        title, y_label = "Bits recovered by fresh Eves", "share of bits recovered"
        findings.figures.append(
            Figure(title, "training steps", y_label, [curve, baseline], True, control_curves=[baseline.name])
        )
        most = bounded_mean(tested[max(tested)], CONFIDENCE, of="blocks")
        findings.gain = above_chance(most, 0.5)
        return findings
