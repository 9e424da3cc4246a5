"""Affine cryptanalysis: solves for the plain bits as affine functions over GF(2) of ciphertext and nonce bits."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.ciphers.attacks.cipher_attack import CipherAttack, draw_pieces
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle, Pair
from veilbench.families.ciphers.attacks.frequency import agree_with_others
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.metrics.intervals import above_chance, bounded_mean

BITS = 7  # of a symbol, 0 to 90


class Affine(CipherAttack):
    """Recovers short messages from many known ones of the same length, each with its own nonce.

    A keystream that is linear in the nonce, a permutation of bits or a Hill cipher are affine, whatever their key: each
    plain bit is the parity of some bits of ciphertext and nonce. These are found by Gaussian elimination. Chance is the
    share of characters in which the recovered messages agree with other messages than their own.

    Args:
        threat: threat model; needs `ciphertext` and `known_pairs`.
        positive: positive control, a cipher that the attack must break at this budget.
        negative: negative control, a cipher against which the attack must do no better than chance.
        messages: number of known messages.
        length: characters of each message.
        secrets: number of messages to recover; the interval is over them.
        broken_threshold: gain from which a cipher counts as broken; 0 is chance and 1 is full success.
    """

    title = "Affine cryptanalysis"

    def __init__(
        self,
        threat: ThreatModel,
        positive: Cipher,
        negative: Cipher,
        messages: Annotated[Count, Ge(2)] = 600,
        length: Annotated[Count, Le(64)] = 4,
        secrets: Annotated[Count, Ge(2)] = 60,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.messages, self.length, self.secrets = messages, length, secrets

    def run(
        self, cipher: Cipher, texts: Texts, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Fit the affine map to the known messages and apply it to the secrets."""
        pieces = draw_pieces(texts.target, self.length, self.messages + self.secrets, rng)
        told, secrets = pieces[: self.messages], pieces[self.messages :]
        oracles = [CipherOracle(self.threat, cipher, secret, texts.statistics, rng) for secret in secrets]
        known = CipherOracle(self.threat, cipher, secrets[0], texts.statistics, rng, told).known()
        guesses = recover(known, [oracle.ciphertext() for oracle in oracles])
        shares = [float((guess == secret).mean()) for guess, secret in zip(guesses, secrets, strict=True)]
        findings = Findings(self.title)
        findings.metrics["recovered"] = bounded_mean(shares, of="messages")
        chance = agree_with_others(guesses, secrets)
        findings.gain = above_chance(bounded_mean(shares, CONFIDENCE, of="messages"), chance)
        return findings


def recover(known: list[Pair], sealed: list[Ciphertext]) -> np.ndarray:
    """Recover messages with the affine map from ciphertext and nonce bits to plain bits that fits the known pairs.

    Args:
        known: pairs of one length.
        sealed: ciphertexts of messages of the same length.

    Returns:
        The symbols, shape (messages, length); values above the largest symbol, 90, are clipped to it.
    """
    symbols = np.array([pair.symbols for pair in known])
    bits = np.unpackbits(symbols.astype(np.uint8)[..., None], axis=2)[..., 8 - BITS :].reshape(len(symbols), -1)
    solution = solve_gf2(np.array([_bits_of(pair.ciphertext) for pair in known]), bits)
    guessed = np.array([_bits_of(one) for one in sealed]).astype(np.int64) @ solution % 2
    packed = np.packbits(guessed.astype(np.uint8).reshape(len(sealed), -1, BITS), axis=2)[..., 0] >> (8 - BITS)
    return np.asarray(np.minimum(packed, 90))


def solve_gf2(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve `left @ x = right` modulo 2 by Gaussian elimination, as far as the equations agree.

    Args:
        left: shape (equations, unknowns), values 0 and 1.
        right: shape (equations, columns), values 0 and 1.

    Returns:
        x, shape (unknowns, columns); unknowns without an equation of their own are 0.
    """
    rows, unknowns = np.hstack([left, right]).astype(np.uint8), left.shape[1]
    pivots: list[int] = []
    for column in range(unknowns):
        candidates = np.flatnonzero(rows[len(pivots) :, column])
        if not len(candidates):
            continue
        at = len(pivots)
        rows[[at, at + candidates[0]]] = rows[[at + candidates[0], at]]
        others = np.flatnonzero(rows[:, column])
        rows[others[others != at]] ^= rows[at]
        pivots.append(column)
        if len(pivots) == len(rows):
            break
    solution = np.zeros((unknowns, right.shape[1]), np.uint8)
    solution[pivots] = rows[: len(pivots), unknowns:]
    return solution


def _bits_of(ciphertext: Ciphertext) -> np.ndarray:
    """Return the bits of codes and nonce, and a 1 for the constant, shape (bits + 1,)."""
    nonce = np.unpackbits(np.frombuffer(ciphertext.nonce, np.uint8))
    return np.concatenate([ciphertext.unpack().reshape(-1), nonce, [1]])
