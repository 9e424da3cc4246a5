"""Exhaustive search finds a key of 16 bits and no key of 256."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks.key_search import KeySearch, find_effective_bits
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.repeated_key import RepeatedKey
from veilbench.families.ciphers.baselines.stream import StreamCipher
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.schemes.base import Ciphertext

GRANTED = ThreatModel(known_pairs=True, weights=True)


class OneByte(RepeatedKey):
    """A repeated key of 8 bits."""

    key_bytes = 1

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes by exclusive or with the key."""
        return bytes(byte ^ int(self.key[0]) for byte in plain)


def small(threat: ThreatModel = GRANTED, **settings: Any) -> KeySearch:
    own = {"known": 16, "length": 50, "texts": 60, "tried_bits": 8} | settings
    return KeySearch(threat, OneByte(), AesCtr(), **own)


def test_a_short_key_is_found_and_a_long_one_is_not(examine: Any) -> None:
    short = examine(small(), OneByte(), key="both")
    assert short.verdict is Verdict.BROKEN
    assert short.metrics["recovered"].value == 1
    assert [control.passed for control in short.controls] == [True, True]
    long = examine(small(), AesCtr(), key="both")
    assert long.verdict is Verdict.HOLDS
    assert long.doubt == "budget in doubt: 2^8 of 2^256 keys were tried"
    assert long.metrics["effective_key_bits"].value == 256


def test_half_of_the_keys_are_not_all_keys(examine: Any) -> None:
    key = np.array([255, 1], np.uint8)

    class Stubborn(RepeatedKey):
        def with_fresh_key(self, rng: np.random.Generator) -> RepeatedKey:
            return RepeatedKey(key)

    assert examine(small(tried_bits=15, texts=2, length=20), Stubborn()).metrics["recovered"].value < 0.9
    assert examine(small(tried_bits=16, texts=2, length=20), Stubborn()).metrics["recovered"].value == 1


def test_keys_are_tried_in_the_order_of_their_numbers() -> None:
    rng = np.random.default_rng(0)
    message = np.arange(20, dtype=np.uint8)
    sealed = RepeatedKey(np.array([3, 7], np.uint8)).encrypt(message, rng)
    (read,) = RepeatedKey().decrypt_under(range(3 * 256 + 7, 3 * 256 + 8), sealed)
    np.testing.assert_array_equal(read, message)


@pytest.mark.parametrize("cipher", [OneByte(), RepeatedKey()])
def test_all_keys_at_once_decrypt_as_one_after_the_other(cipher: RepeatedKey) -> None:
    rng = np.random.default_rng(0)
    sealed = cipher.with_fresh_key(rng).encrypt(rng.integers(0, 91, 7).astype(np.uint8), rng)
    numbers = rng.permutation(256**cipher.key_bytes)[:300].tolist()
    expected = list(StreamCipher.decrypt_under(cipher, numbers, sealed))
    np.testing.assert_array_equal(list(cipher.decrypt_under(numbers, sealed)), expected)


def test_a_bit_that_shows_on_a_later_text_counts() -> None:
    class ByNonce(RepeatedKey):
        """The last byte of the nonce says which of 16 bits of the key has an effect."""

        def decrypt_under(self, keys: Sequence[int], ciphertext: Ciphertext) -> list[np.ndarray]:
            return [np.array([key >> ciphertext.nonce[-1] & 1]) for key in keys]

    sealed = replace(RepeatedKey().encrypt(np.arange(5, dtype=np.uint8), np.random.default_rng(0)), nonce=b"\x03")
    later = [replace(sealed, nonce=bytes([bit])) for bit in (3, 11, 3)]
    assert find_effective_bits(ByNonce(), later, 8, np.random.default_rng(0)) == [11, 3]
    assert find_effective_bits(ByNonce(), later[:1], 8, np.random.default_rng(0)) == [3]
    assert len(find_effective_bits(ByNonce(), later, 16, np.random.default_rng(0))) == 16


def test_what_it_needs_has_to_be_granted_and_numbered(examine: Any) -> None:
    with pytest.raises(UserError, match="does not grant weights"):
        examine(small(ThreatModel(known_pairs=True)), RepeatedKey())
    with pytest.raises(NotImplementedError, match="cannot be enumerated"):
        examine(small(), Substitution([8]))
