"""Exhaustive search: a key that can be tried is a key that is known."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, constant_guess, pieces
from veilbench.families.ciphers.attacks.exposure import Exposure
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import above_chance, mean


class KeySearch(CipherAttack):
    """Decrypts a few known characters under every key that the budget reaches, and the secret under the best key.

    The scheme with its weights is known, the key is not: keys are tried by number, 0 first.

    Args:
        threat: see `CipherAttack`.
        positive: see `CipherAttack`.
        negative: see `CipherAttack`.
        tried_bits: 2^tried_bits keys are tried, or all if there are fewer.
        known: characters of known text.
        length: characters of the secret text.
        texts: different texts, each under a fresh key; the intervals are over them.
        broken_at: see `CipherAttack`.
    """

    target_needs = ("decrypt_under",)

    title = "Exhaustive key search"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        tried_bits: Annotated[int, Ge(1), Le(24)] = 16,
        known: Annotated[Count, Ge(2)] = 16,
        length: Count = 500,
        texts: Annotated[Count, Ge(2)] = 3,
        broken_at: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_at)
        self.tried_bits, self.known, self.length, self.texts = tried_bits, known, length, texts

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """See `CipherAttack.run`."""
        self.threat.require("weights")
        shares = []
        for piece in pieces(texts.target, self.known + self.length, self.texts, rng):
            told, secret = piece[: self.known], piece[self.known :]
            exposure = Exposure(self.threat, cipher.with_fresh_key(rng), secret, texts.statistics, rng, [told])
            shares.append(float((self.guess(exposure, cipher) == secret).mean()))
        found = Findings(self.title)
        found.metrics["recovered"] = mean(shares)
        found.metrics["keys_tried"] = Metric.exact(2 ** min(self.tried_bits, cipher.key_bits))
        found.metrics["key_bits"] = Metric.exact(cipher.key_bits)
        found.gain = above_chance(mean(shares, CONFIDENCE), constant_guess(texts))
        return found

    def guess(self, exposure: Exposure, scheme: Cipher) -> np.ndarray:
        """The attack proper: the secret, shape (length,), read with the key that reads the known text best.

        Args:
            exposure: under the attacked key.
            scheme: the same scheme under some key of the attacker's own.
        """
        (pair,) = exposure.known()
        numbers = range(2 ** min(self.tried_bits, scheme.key_bits))
        right = [int((read == pair.symbols).sum()) for read in scheme.decrypt_under(numbers, pair.ciphertext)]
        best = int(np.argmax(right))
        (read,) = scheme.decrypt_under(range(best, best + 1), exposure.ciphertext())
        return read
