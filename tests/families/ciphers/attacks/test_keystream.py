"""Keystream: many-time pads by any combination are read, and what has a fresh keystream for each message is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks.cipher_oracle import CipherOracle
from veilbench.families.ciphers.attacks.codebook_search import CodebookSearch
from veilbench.families.ciphers.attacks.keystream import applies, guess_by_keystream
from veilbench.families.ciphers.attacks.known_plaintext import DecoderTraining, KnownPlaintext, NewTexts
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.bit_transposition import BitTransposition
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.repeated_key import RepeatedKey
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext

THREAT = ThreatModel(known_pairs=True, auxiliary_data=True)
COMBINE = {
    "xor of bytes": lambda symbols, key: (symbols + 32) ^ key,
    "xor of symbols": lambda symbols, key: symbols ^ key,
    "sum of bytes": lambda symbols, key: (symbols + 32 + key) % 256,
    "sum of symbols": lambda symbols, key: (symbols + key) % 91,
}


class ManyTimePad(RepeatedKey):
    """One pad for every message, combined with the text in one of several ways."""

    def __init__(self, combine: str = "xor of bytes") -> None:
        super().__init__()
        self.combine, self.pad = COMBINE[combine], np.random.default_rng(7).integers(0, 256, 10_000)

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        n = len(symbols)
        codes = self.combine(symbols.astype(np.int64), self.pad[:n]).astype(np.uint8)[:, None]
        return Ciphertext(codes, np.full(n, 8), np.zeros(n, np.int64), b"", n)

    def with_fresh_key(self, rng: np.random.Generator) -> ManyTimePad:
        return self


def ask(cipher: Cipher, texts: Texts, lengths: tuple[int, ...], secret: int = 120) -> tuple[CipherOracle, np.ndarray]:
    """An oracle for two secrets, with known messages of the given lengths."""
    secrets, text = texts.target[: 2 * secret].reshape(2, -1), texts.target[1_000:]
    known = np.split(text[: sum(lengths)], np.cumsum(lengths)[:-1])
    return CipherOracle(THREAT, cipher, secrets, texts.statistics, np.random.default_rng(1), known), secrets


@pytest.mark.parametrize("combine", COMBINE)
def test_one_pad_for_every_message_is_taken_off(combine: str, texts: Texts) -> None:
    oracle, secrets = ask(ManyTimePad(combine), texts, (120, 120, 120))
    read, held_out = guess_by_keystream(oracle)
    np.testing.assert_array_equal(read, secrets)
    assert held_out == 1


def test_places_that_no_known_message_reaches_get_the_commonest_character(texts: Texts) -> None:
    oracle, secrets = ask(ManyTimePad(), texts, (50, 70, 40))
    read, _ = guess_by_keystream(oracle)
    np.testing.assert_array_equal(read[:, :70], secrets[:, :70])
    assert (read[:, 70:] == np.bincount(texts.statistics).argmax()).all()


@pytest.mark.parametrize("cipher", [AesCtr(), OneTimePad()])
def test_a_fresh_keystream_for_each_message_is_not(cipher: Cipher, texts: Texts) -> None:
    oracle, secrets = ask(cipher, texts, (120,) * 20)
    read, held_out = guess_by_keystream(oracle)
    chance = np.bincount(texts.target).max() / len(texts.target)
    assert (read == secrets).mean() < chance + 0.05
    assert held_out < chance + 0.05


def test_nothing_is_held_out_of_one_message(texts: Texts) -> None:
    oracle, secrets = ask(ManyTimePad(), texts, (120,))
    read, held_out = guess_by_keystream(oracle)
    np.testing.assert_array_equal(read, secrets)
    assert held_out == 0


def test_blocks_and_long_codes_have_no_keystream(texts: Texts) -> None:
    assert applies(ask(RepeatedKey(), texts, (120,))[0])
    assert not applies(ask(BitTransposition(2), texts, (120,))[0])


def test_known_plaintext_breaks_a_many_time_pad(examine: Callable[..., Any], controls: dict[str, Any]) -> None:
    attack = KnownPlaintext(
        THREAT,
        **controls,
        known=[50, 1000],
        texts=NewTexts(100, 60),
        decoder=DecoderTraining([]),
        filling=CodebookSearch(3, 0, 0.1),
    )
    found = examine(attack, ManyTimePad())
    assert found.verdict is Verdict.BROKEN
    assert any("that of 'keystream'" in note for note in found.notes)
