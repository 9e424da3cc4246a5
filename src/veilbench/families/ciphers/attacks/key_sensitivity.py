"""Avalanche effect of one key bit or one plaintext bit on the ciphertext (Feistel 1973)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, pieces
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import mean


class KeySensitivity(CipherAttack):
    """Measures the share of ciphertext bits that change, with the same nonce and members.

    Half of the bits change if the key is mixed well. A much smaller share means that key bits act independently, so
    that the key can be recovered piece by piece; the gain is 1 - 2 x share. The share for one changed bit of plaintext
    is reported only: by design, a stream cipher changes that one bit alone.

    Args:
        threat: threat model; needs `key`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        trials: number of flipped key bits, and of changed characters; the intervals are over them.
        length: characters per message.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    target_needs = ("with_key_bit_flipped",)

    title = "Key sensitivity (avalanche)"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        trials: Annotated[Count, Ge(8)] = 64,
        length: Count = 500,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.trials, self.length = trials, length

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Flip random key and plaintext bits and compare the ciphertexts."""
        self.threat.require("key")
        shares: dict[str, list[float]] = {"key": [], "plaintext": []}
        for _ in range(self.trials):
            (message,) = pieces(texts.target, self.length, 1, rng)
            seed = int(rng.integers(2**62))
            changed = message.copy()
            place = rng.integers(len(message))
            changed[place] = changed[place] ^ 1 if changed[place] < 90 else 88
            shares["key"].append(self._moved(cipher, cipher.with_key_bit_flipped(rng), message, message, seed))
            shares["plaintext"].append(self._moved(cipher, cipher, message, changed, seed))
        found = Findings(self.title)
        found.metrics = {f"{what}_avalanche": mean(values) for what, values in shares.items()}
        key = mean(shares["key"], CONFIDENCE)
        found.gain = Metric(1 - 2 * key.value, 1 - 2 * key.high, 1 - 2 * key.low, key.n, key.interval)
        return found

    def _moved(self, one: Cipher, other: Cipher, message: np.ndarray, changed: np.ndarray, seed: int) -> float:
        first = one.encrypt(message, np.random.default_rng(seed))
        second = other.encrypt(changed, np.random.default_rng(seed), first.nonce or None)
        return one.changed_bits(first, second)
