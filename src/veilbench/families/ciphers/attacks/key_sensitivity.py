"""Avalanche: how much of the ciphertext does one bit of the key, or one changed character, move? After Feistel 1973."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, pieces
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import mean


class KeySensitivity(CipherAttack):
    """Shares of ciphertext bits that change, nonce and members being kept.

    Half of the bits change when a key is mixed in well. Far fewer mean that bits of the key work apart, so that the
    key can be found piece by piece; the gain is 1 - 2 x share. The second share, for one bit of plaintext, is
    reported only: every stream cipher changes that one bit alone, by design.

    Args:
        threat: see `CipherAttack`.
        positive: see `CipherAttack`.
        negative: see `CipherAttack`.
        trials: flipped bits.
        length: characters of the message.
        broken_at: see `CipherAttack`.
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
        broken_at: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_at)
        self.trials, self.length = trials, length

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """See `CipherAttack.run`."""
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
        made = one.encrypt(message, np.random.default_rng(seed))
        again = other.encrypt(changed, np.random.default_rng(seed), made.nonce or None)
        return one.changed_bits(made, again)
