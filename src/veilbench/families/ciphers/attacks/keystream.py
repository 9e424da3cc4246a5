"""Reads messages of a stream cipher that uses one keystream for all of them, by a known message at the same place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle, Pair
from veilbench.families.ciphers.schemes.base import Ciphertext
from veilbench.text.alphabet import FIRST, SIZE


@dataclass(frozen=True)
class Combination:
    """A way in which a cipher may combine a character with the keystream.

    Attributes:
        first: number of the first symbol: 0 if the cipher combines symbols, `FIRST` if it combines their bytes.
        reveal: computes the keystream from codes and numbers of characters, element by element.
        remove: computes the numbers of characters from codes and the keystream, element by element.
    """

    first: int
    reveal: Callable[[np.ndarray, np.ndarray], np.ndarray]
    remove: Callable[[np.ndarray, np.ndarray], np.ndarray]


XOR = (np.bitwise_xor, np.bitwise_xor)
SUM = (lambda code, character: (code - character) % 256, lambda code, key: (code - key) % 256)
SUM_OF_SYMBOLS = (lambda code, character: (code - character) % SIZE, lambda code, key: (code - key) % SIZE)
COMBINATIONS = (
    Combination(FIRST, *XOR),
    Combination(0, *XOR),
    Combination(0, *SUM),  # of bytes too: the number of the first symbol cancels out
    Combination(0, *SUM_OF_SYMBOLS),
)


def applies(oracle: CipherOracle) -> bool:
    """Return whether the attack applies: each character has a code of one byte."""
    return oracle.block == 1 and oracle.ciphertexts()[0].codes.shape[1] == 1


def guess_by_keystream(oracle: CipherOracle) -> tuple[np.ndarray, float]:
    """Recover the secret messages from the keystream that known messages reveal, as of a two-time pad.

    A place that no known message reaches gets the commonest character. The combination is the one that reads most of
    the last fifth of the known messages by the keystream of the others.

    Args:
        oracle: oracle for the attacked key; it must grant known pairs and auxiliary data.

    Returns:
        The secret messages, shape (messages, length), and the share of held-out known characters that was right; 0 if
        there is one known message.
    """
    pairs, commonest = oracle.known(), int(np.bincount(oracle.auxiliary()).argmax())
    held = len(pairs) - max(1, len(pairs) // 5)
    truth = [pair.symbols for pair in pairs[held:]]
    scores = []
    for combination in COMBINATIONS:
        read = _read([pair.ciphertext for pair in pairs[held:]], pairs[:held], combination, commonest)
        right = [(guess == known).mean() for guess, known in zip(read, truth, strict=True)]
        scores.append(float(np.mean(right)) if held else 0.0)
    best = int(np.argmax(scores))
    return np.stack(_read(oracle.ciphertexts(), pairs, COMBINATIONS[best], commonest)), scores[best]


def _read(sealed: Sequence[Ciphertext], pairs: Sequence[Pair], by: Combination, commonest: int) -> list[np.ndarray]:
    """Return the symbols of each ciphertext, shape (length,)."""
    stream = _find_keystream(pairs, by, max(ciphertext.length for ciphertext in sealed))
    found = []
    for ciphertext in sealed:
        symbols = by.remove(ciphertext.codes[:, 0].astype(np.int64), stream[: ciphertext.length]) - by.first
        unknown = (stream[: ciphertext.length] < 0) | (symbols < 0) | (symbols >= SIZE)
        found.append(np.where(unknown, commonest, symbols))
    return found


def _find_keystream(pairs: Sequence[Pair], by: Combination, length: int) -> np.ndarray:
    """Return the value at each place on which most known messages agree, shape (length,); -1 where there is none."""
    votes = np.zeros((length, 256), np.int64)
    for pair in pairs:
        n = min(length, len(pair.symbols))
        key = by.reveal(pair.ciphertext.codes[:n, 0].astype(np.int64), pair.symbols[:n].astype(np.int64) + by.first)
        votes[np.arange(n), key] += 1
    return np.where(votes.any(1), votes.argmax(1), -1)
