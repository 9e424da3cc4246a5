"""Trained networks Alice and Bob as a block cipher with a shared key and a nonce per message."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Ge, Le, MultipleOf

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import require_value
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext

if TYPE_CHECKING:
    from veilbench.families.ciphers.nets.mix_transform import AliceAndBob

CHARACTER_BITS = 8
BlockBits = Annotated[int, Ge(8), Le(64), MultipleOf(8)]
NONCE_BYTES = 16
KEYS_AT_ONCE = 4096


class KeyedCipher(Cipher):
    """Encrypts by Alice's network and decrypts by Bob's, which take the key as an input. Bob makes errors.

    SHAKE-256 expands the nonce of a message to one public nonce per block. Alice's output is one number in (-1, 1) per
    bit, and is sent as a signed byte.

    Args:
        weights: state dict of `veilbench.families.ciphers.nets.mix_transform.AliceAndBob`, as arrays.
        bits: length of a block, of the key and of a block's nonce in bits; a multiple of 8.
        key: the key, shape (bits,), values 0 and 1.
    """

    deterministic = False

    def __init__(self, weights: dict[str, np.ndarray], bits: int, key: np.ndarray) -> None:
        self.weights, self.bits, self.key = weights, bits, key
        self.key_bits = bits
        self.block = bits // CHARACTER_BITS
        self._net: AliceAndBob | None = None

    @property
    def net(self) -> AliceAndBob:
        """The networks, built from the weights on first use."""
        if self._net is None:
            import torch

            from veilbench.families.ciphers.nets.mix_transform import AliceAndBob

            self._net = AliceAndBob(self.bits)
            self._net.load_state_dict({name: torch.from_numpy(w) for name, w in self.weights.items()})
        return self._net

    def expand_nonce(self, nonce: bytes, blocks: int) -> np.ndarray:
        """Expand a message's nonce to one per block, shape (blocks, bits), values 0 and 1."""
        stream = hashlib.shake_256(nonce).digest(blocks * self.bits // 8)
        return np.unpackbits(np.frombuffer(stream, np.uint8)).reshape(blocks, self.bits)

    def encrypt_blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """Encrypt blocks of bits; the output is rounded to the precision in which it is sent.

        Raises:
            UserError: the blocks have another length than the cipher's.
        """
        import torch

        if plain.shape[1] != self.bits:
            raise UserError(f"blocks of {plain.shape[1]} bits do not fit a cipher with blocks of {self.bits} bits")
        with torch.no_grad():
            sealed = self.net.seal(*(_to_signs(x) for x in (plain, keys, nonces)))
        return (sealed * 127).round().numpy().astype(np.int8) / np.float32(127)

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Encrypt symbols; the last block is padded with spaces."""
        nonce = rng.bytes(NONCE_BYTES) if nonce is None else nonce
        padded = np.pad(symbols, (0, -len(symbols) % self.block))
        plain = np.unpackbits(padded.astype(np.uint8).reshape(-1, self.block), axis=1)
        nonces = self.expand_nonce(nonce, len(plain))
        sealed = self.encrypt_blocks(plain, np.tile(self.key, (len(plain), 1)), nonces)
        codes = np.round(sealed * 127).astype(np.int8).view(np.uint8)
        n = len(plain)
        return Ciphertext(codes, np.full(n, 8 * self.bits), np.zeros(n, np.int64), nonce, len(symbols))

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Decrypt a message, shape (length,); values above the largest symbol, 90, are clipped to it."""
        return np.asarray(self._decrypt_under_keys(ciphertext, self.key[None])[0])

    def decrypt_under(self, numbers: Sequence[int], ciphertext: Ciphertext) -> Iterator[np.ndarray]:
        """Yield the message decrypted under each key; keys are numbered as big-endian integers."""
        shifts = np.arange(self.bits - 1, -1, -1)
        for start in range(0, len(numbers), KEYS_AT_ONCE):
            batch = np.array(numbers[start : start + KEYS_AT_ONCE])
            yield from self._decrypt_under_keys(ciphertext, batch[:, None] >> shifts & 1)

    def _decrypt_under_keys(self, ciphertext: Ciphertext, keys: np.ndarray) -> np.ndarray:
        """Decrypt under several keys of shape (keys, bits); return messages of shape (keys, length)."""
        import torch

        n, m = len(ciphertext.codes), len(keys)
        sealed = torch.from_numpy(np.tile(self.to_numbers(ciphertext), (m, 1)))
        nonces = _to_signs(np.tile(self.expand_nonce(ciphertext.nonce, n), (m, 1)))
        with torch.no_grad():
            bits = (self.net.open(sealed, _to_signs(np.repeat(keys, n, axis=0)), nonces) > 0).numpy()
        return np.minimum(np.packbits(bits, axis=1).reshape(m, -1)[:, : ciphertext.length], 90)

    def to_numbers(self, ciphertext: Ciphertext) -> np.ndarray:
        """Convert the codes to Alice's outputs, shape (blocks, bits), float32 in [-1, 1]."""
        return ciphertext.codes.view(np.int8).astype(np.float32) / 127

    def extract_features(self, ciphertext: Ciphertext) -> np.ndarray:
        """Return the ciphertext and the nonce of each block as features, shape (blocks, 2 * bits), float32."""
        nonces = self.expand_nonce(ciphertext.nonce, len(ciphertext.codes))
        return np.hstack([self.to_numbers(ciphertext), 2 * nonces.astype(np.float32) - 1])

    def measure_changed_bits(self, one: Ciphertext, other: Ciphertext) -> float:
        """Return the share of bits whose sign differs between two ciphertexts of the same length."""
        return float(((self.to_numbers(one) > 0) != (self.to_numbers(other) > 0)).mean())

    def with_fresh_key(self, rng: np.random.Generator) -> KeyedCipher:
        """Return the same networks under a new random key."""
        return self._with_key(rng.integers(0, 2, self.bits, dtype=np.uint8))

    def with_key_bit_flipped(self, rng: np.random.Generator) -> KeyedCipher:
        """Return the same networks with one random bit of the key flipped."""
        key = self.key.copy()
        key[rng.integers(self.bits)] ^= 1
        return self._with_key(key)

    def _with_key(self, key: np.ndarray) -> KeyedCipher:
        other = KeyedCipher(self.weights, self.bits, key)
        other._net = self._net
        return other

    def settings(self) -> dict[str, Any]:
        """Return the block length in bits."""
        return {"bits": self.bits}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the key and the networks' weights."""
        return {"key": self.key} | {f"network.{name}": weight for name, weight in self.weights.items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> KeyedCipher:
        """Construct the cipher from its settings and arrays.

        Raises:
            ValueError: a setting or an array is missing, or inconsistent with the others.
        """
        weights = {k.removeprefix("network."): v for k, v in arrays.items() if k.startswith("network.")}
        require_value(BlockBits, settings.get("bits"), "settings.bits")
        key = require_array(arrays, "key", np.uint8, (settings["bits"],), high=1)
        from veilbench.families.ciphers.nets.mix_transform import AliceAndBob
        from veilbench.nets.saved_weights import load_weights

        cipher = cls(weights, settings["bits"], key)
        cipher._net = AliceAndBob(cipher.bits)
        load_weights(cipher._net, weights)
        return cipher


def _to_signs(bits: np.ndarray) -> Any:
    """Convert bits 0 and 1 to a float tensor of -1 and 1."""
    import torch

    return torch.from_numpy(bits.astype(np.float32) * 2 - 1)
