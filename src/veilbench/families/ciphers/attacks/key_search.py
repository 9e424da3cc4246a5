"""Exhaustive key search."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, draw_pieces, score_constant_guess
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher
from veilbench.metrics.intervals import above_chance, mean


class KeySearch(CipherAttack):
    """Decrypts a few known characters under every key of the budget, and the secret under the best of these keys.

    The attacker knows the cipher and its weights, but not the key. Keys are tried in numerical order from 0.

    Args:
        threat: threat model; needs `weights`, `ciphertext` and `known_pairs`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        tried_bits: base-2 logarithm of the number of keys to try; all keys are tried if there are fewer.
        known: number of known characters.
        length: number of characters of the secret text.
        texts: number of different texts, each under a fresh key; the intervals are over them.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
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
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.tried_bits, self.known, self.length, self.texts = tried_bits, known, length, texts

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack each text under a fresh key; the gain is the share of characters recovered, above chance."""
        self.threat.require("weights")
        shares = []
        for piece in draw_pieces(texts.target, self.known + self.length, self.texts, rng):
            known, secret = piece[: self.known], piece[self.known :]
            oracle = CipherOracle(self.threat, cipher.with_fresh_key(rng), secret, texts.statistics, rng, [known])
            shares.append(float((self.guess(oracle, cipher) == secret).mean()))
        findings = Findings(self.title)
        findings.metrics["recovered"] = mean(shares)
        findings.metrics["keys_tried"] = Metric.exact(2 ** min(self.tried_bits, cipher.key_bits))
        findings.metrics["key_bits"] = Metric.exact(cipher.key_bits)
        findings.gain = above_chance(mean(shares, CONFIDENCE), score_constant_guess(texts))
        return findings

    def guess(self, oracle: CipherOracle, scheme: Cipher) -> np.ndarray:
        """Decrypt the secret, shape (length,), with the key that decrypts the known text best.

        Args:
            oracle: oracle for the attacked key.
            scheme: the attacker's copy of the cipher; its own key is not used.
        """
        (pair,) = oracle.known()
        numbers = range(2 ** min(self.tried_bits, scheme.key_bits))
        matches = [int((text == pair.symbols).sum()) for text in scheme.decrypt_under(numbers, pair.ciphertext)]
        best = int(np.argmax(matches))
        (secret,) = scheme.decrypt_under(range(best, best + 1), oracle.ciphertext())
        return secret
