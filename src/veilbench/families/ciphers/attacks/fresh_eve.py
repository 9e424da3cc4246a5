"""Eves that are trained from scratch after Alice and Bob (Abadi and Andersen 2016, section 2.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import PositiveShare, Width
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack
from veilbench.families.ciphers.attacks.eve_training import EveTraining
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import above_chance, ends, mean

TRAINING = EveTraining()


class FreshEve(CipherAttack):
    """Trains Eves of several sizes to decrypt random blocks without the random keys.

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
    budget_parameter = "hidden"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        hidden: Annotated[Sequence[Width], MinLen(1)] = (64, 256),
        training: EveTraining = TRAINING,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.hidden, self.training = sorted(hidden), training

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Train and test Eves of all sizes, for controls only of the largest size."""
        from veilbench.families.ciphers.attacks.eve import examine_eves

        self.threat.require("own_keys")
        findings, bits = Findings(self.title), self.training.bits
        shares: dict[int, Metric] = {}
        for size in self.hidden[-1:] if control else self.hidden:
            right = examine_eves(cipher, self.training, size, accelerator, rng)
            shares[size] = mean(right)
            findings.metrics[f"bits_recovered_of_{bits}_by_{size}"] = mean([bits * r for r in right], unit="")
        findings.gain = above_chance(mean(right, CONFIDENCE), 0.5)
        values = list(shares.values())
        curve = Curve("Eve", list(shares), *ends(values))
        baseline = Curve("coin flips", curve.x, [0.5] * len(values))
        findings.figures.append(
            Figure(
                "Bits recovered by fresh Eves",
                "hidden units",
                "share of bits recovered",
                [curve, baseline],
                True,
                control_curves=["coin flips"],
            )
        )
        return findings
