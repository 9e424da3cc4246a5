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
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, draw_pieces
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import bounded_mean


class KeySensitivity(CipherAttack):
    """Measures the share of ciphertext bits that change if one bit of the key or of the plaintext is flipped.

    The nonce and the members stay the same. In a good cipher, one key bit changes half of the ciphertext bits. A much
    smaller share means that key bits act independently, so that the key can be recovered piece by piece; the gain is
    1 - 2 x share. The share for a plaintext bit is reported but is not part of the gain, since a stream cipher changes
    just one bit by design.

    Args:
        threat: threat model; needs `key`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        trials: number of flipped key bits, and of changed characters; the intervals are over them.
        length: number of characters of each message.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    target_needs = ("with_key_bit_flipped", "chosen_nonce")

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
            (message,) = draw_pieces(texts.target, self.length, 1, rng)
            seed = int(rng.integers(2**62))
            changed = message.copy()
            position = rng.integers(len(message))
            changed[position] = changed[position] ^ 1 if changed[position] < 90 else 88
            flipped_key = cipher.with_key_bit_flipped(rng)
            shares["key"].append(self._compare(cipher, flipped_key, message, message, seed))
            shares["plaintext"].append(self._compare(cipher, cipher, message, changed, seed))
        findings = Findings(self.title)
        findings.metrics = {f"{what}_avalanche": bounded_mean(values, of="trials") for what, values in shares.items()}
        key = bounded_mean(shares["key"], CONFIDENCE, of="trials")
        findings.gain = Metric(1 - 2 * key.value, 1 - 2 * key.high, 1 - 2 * key.low, key.n, key.interval)
        return findings

    def _compare(self, one: Cipher, other: Cipher, message: np.ndarray, changed: np.ndarray, seed: int) -> float:
        """Return the share of changed ciphertext bits between two ciphers and messages, with the same nonce."""
        first = one.encrypt(message, np.random.default_rng(seed))
        second = other.encrypt(changed, np.random.default_rng(seed), first.nonce or None)
        return one.measure_changed_bits(first, second)
