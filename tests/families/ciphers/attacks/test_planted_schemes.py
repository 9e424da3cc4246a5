"""Weak ciphers that were planted on purpose: at least one attack must see each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks.affine import Affine
from veilbench.families.ciphers.attacks.key_search import KeySearch
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.bit_transposition import BitTransposition
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.repeated_key import RepeatedKey
from veilbench.families.ciphers.baselines.stream import StreamCipher

Examine = Callable[..., Findings]


class Xor(StreamCipher):
    """A stream cipher with the keystream that a subclass defines."""

    def stream(self, nonce: bytes, length: int) -> bytes:
        """Return the keystream of a message."""
        raise NotImplementedError

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt by exclusive or with the keystream."""
        return bytes(a ^ b for a, b in zip(plain, self.stream(nonce, len(plain)), strict=True))

    def unseal(self, sealed: bytes, nonce: bytes) -> bytes:
        """Decrypt by exclusive or with the keystream."""
        return self.seal(sealed, nonce)


class NoKey(Xor):
    """The keystream depends on the public nonce only."""

    def stream(self, nonce: bytes, length: int) -> bytes:
        """Return a hash of the nonce."""
        return hashlib.shake_256(nonce).digest(length)


class FewKeyBits(Xor):
    """Of the key's 256 bits, 8 in the middle are used."""

    def stream(self, nonce: bytes, length: int) -> bytes:
        """Return a hash of one byte of the key and the nonce."""
        return hashlib.shake_256(self.key[15:16].tobytes() + nonce).digest(length)


class LinearNonce(Xor):
    """Each bit of the keystream is the parity of some bits of the nonce, which the key selects."""

    def stream(self, nonce: bytes, length: int) -> bytes:
        """Return the product of a secret matrix with the nonce, modulo 2."""
        matrix = np.random.default_rng(self.key.astype(np.uint64)).integers(0, 2, (8 * length, 8 * len(nonce)))
        return np.packbits(matrix @ np.unpackbits(np.frombuffer(nonce, np.uint8)) % 2).tobytes()


class OneByte(RepeatedKey):
    """A repeated key of 8 bits."""

    def seal(self, plain: bytes, nonce: bytes) -> bytes:
        """Encrypt bytes by exclusive or with the key."""
        return bytes(byte ^ int(self.key[0]) for byte in plain)

    key_bytes = 1


def attacks() -> list[Any]:
    threat = ThreatModel(known_pairs=True, weights=True)
    search = KeySearch(threat, OneByte(), AesCtr(), tried_bits=8, length=50, texts=60)
    return [search, Affine(ThreatModel(known_pairs=True), BitTransposition(), AesCtr())]


@pytest.mark.parametrize("weak", [NoKey(), FewKeyBits(), LinearNonce()], ids=lambda weak: type(weak).__name__)
def test_a_planted_cipher_is_broken_by_some_attack(examine: Examine, weak: StreamCipher) -> None:
    target = weak.with_fresh_key(np.random.default_rng(5))
    verdicts = [examine(attack, target, key=f"planted {attack.title}").verdict for attack in attacks()]
    assert Verdict.BROKEN in verdicts, verdicts


@pytest.mark.parametrize("strong", [AesCtr(), OneTimePad()], ids=lambda strong: type(strong).__name__)
def test_a_strong_cipher_is_not(examine: Examine, strong: StreamCipher) -> None:
    target = strong.with_fresh_key(np.random.default_rng(5))
    verdicts = [examine(attack, target, key=f"planted {attack.title}").verdict for attack in attacks()]
    assert set(verdicts) == {Verdict.HOLDS}
