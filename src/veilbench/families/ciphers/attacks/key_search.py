"""Exhaustive key search over the bits of the key that have an effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.looks import DRAWS, LOOKS_AT_TEXTS, Look, look_until_certain, plan_looks
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, draw_pieces, score_constant_guess
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle, Pair
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.metrics.intervals import above_chance, bounded_mean

FIRST = 4  # characters of the known message on which all keys are tried
KEPT = 4096  # keys that are tried on the other known message, too
BASE_KEYS = 4  # random keys whose bits are flipped to find those with an effect


class KeySearch(CipherAttack):
    """Decrypts a few known characters under every key of the budget, and the secret under the best of these keys.

    The attacker knows the cipher and its weights, but not the key. They first decrypt with keys of their own and flip
    one bit at a time, to find the bits that have an effect. Then they try all values of these bits, or of the first
    `tried_bits` of them if there are more; all other bits are 0. So a cipher is broken whose key is long but has few
    effective bits, wherever they are, or none at all.

    Args:
        threat: threat model; needs `weights`, `ciphertext` and `known_pairs`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        tried_bits: base-2 logarithm of the largest number of keys to try.
        known: number of known characters, in two messages; all keys are tried on the first 4 characters.
        length: number of characters of the secret text.
        texts: largest number of different texts, each under a fresh key; the intervals are over those attacked. The
            attack stops when its verdict is certain.
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
        known: Annotated[Count, Ge(2 * FIRST)] = 16,
        length: Count = 200,
        texts: Annotated[Count, Ge(2)] = 60,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.tried_bits, self.known, self.length, self.texts = tried_bits, known, length, texts

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack each text under a fresh key; the gain is the share of characters recovered, above chance."""
        self.threat.require("weights")
        oracles, secrets = [], []
        for piece in draw_pieces(texts.target, self.known + self.length, self.texts, rng):
            known, secret = [piece[:FIRST], piece[FIRST : self.known]], piece[self.known :]
            secrets.append(secret)
            oracles.append(CipherOracle(self.threat, cipher.with_fresh_key(rng), secret, texts.statistics, rng, known))
        bits = find_effective_bits(cipher, [oracle.ciphertext() for oracle in oracles], self.tried_bits, rng)
        chance, shares = score_constant_guess(texts), list[float]()

        def attack_more(look: Look) -> Metric:
            for oracle, secret in zip(
                oracles[len(shares) : look.units], secrets[len(shares) : look.units], strict=True
            ):
                shares.append(float((self.guess(oracle, cipher, bits) == secret).mean()))
            return above_chance(bounded_mean(shares, look.confidence, "texts", DRAWS), chance)

        gain = look_until_certain(plan_looks(self.texts, LOOKS_AT_TEXTS), attack_more, self.broken_threshold, control)
        findings, effective = Findings(self.title), len(bits)
        findings.metrics["recovered"] = bounded_mean(shares, of="texts")
        findings.metrics["keys_tried"] = Metric.exact(2 ** min(self.tried_bits, effective))
        findings.metrics["key_bits"] = Metric.exact(cipher.key_bits)
        findings.metrics["effective_key_bits"] = Metric.exact(effective)
        if effective > self.tried_bits:
            findings.doubt = f"budget in doubt: 2^{self.tried_bits} of 2^{effective} keys were tried"
        findings.gain = gain
        return findings

    def guess(self, oracle: CipherOracle, scheme: Cipher, bits: Sequence[int]) -> np.ndarray:
        """Decrypt the secret, shape (length,), with the key that decrypts the known messages best.

        Args:
            oracle: oracle for the attacked key.
            scheme: the same cipher under any key, as the attacker can run it.
            bits: positions of the effective bits of the key, 0 for the least significant.
        """
        first, second = oracle.known()
        tried = bits[: self.tried_bits]
        keys = [0]
        for bit in tried:
            keys += [key | 1 << bit for key in keys]
        right = count_right(scheme, keys, first)
        kept = [keys[at] for at in np.argsort(-right, kind="stable")[:KEPT]]
        best = kept[int(np.argmax(count_right(scheme, kept, second)))]
        (decrypted,) = scheme.decrypt_under([best], oracle.ciphertext())
        return decrypted


def find_effective_bits(
    scheme: Cipher, ciphertexts: Sequence[Ciphertext], few: int, rng: np.random.Generator
) -> list[int]:
    """Return the positions of the key bits that change how any ciphertext is decrypted, most significant first.

    Under some keys or nonces, a bit may have no effect on a short message. So each bit is flipped on all ciphertexts
    until it has an effect, and all bits are returned if there are few enough.

    Args:
        scheme: the cipher under any key.
        ciphertexts: messages that are together long enough for each effective bit to change some character.
        few: number of bits that are not worth a search.
        rng: generator of the base keys.
    """
    if scheme.key_bits <= few:
        return list(reversed(range(scheme.key_bits)))
    idle = list(range(scheme.key_bits))
    for ciphertext in ciphertexts:
        for _ in range(BASE_KEYS):
            if not idle:
                break
            base = int.from_bytes(rng.bytes(-(-scheme.key_bits // 8)), "big") % (1 << scheme.key_bits)
            plain, *flipped = scheme.decrypt_under([base, *(base ^ 1 << bit for bit in idle)], ciphertext)
            idle = [bit for bit, other in zip(idle, flipped, strict=True) if (other == plain).all()]
    return [bit for bit in reversed(range(scheme.key_bits)) if bit not in idle]


def count_right(scheme: Cipher, keys: Sequence[int], pair: Pair) -> np.ndarray:
    """Return how many characters of a known message each key decrypts correctly, shape (keys,)."""
    texts = np.concatenate(list(scheme.decrypt_under(keys, pair.ciphertext))).reshape(len(keys), -1)
    return np.asarray((texts == pair.symbols).sum(1))
