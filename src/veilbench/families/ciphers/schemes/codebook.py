"""Code books: lookup tables from characters to codes.

A network that encrypts one character at a time has only 91 possible inputs. After training, it is evaluated once on all
of them, and the resulting table is used in its place. The networks are stored with the tables, and the evaluation
`Fidelity` checks that the two agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Depth, require_value
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext
from veilbench.families.ciphers.schemes.saved_network import check_network
from veilbench.text.alphabet import SIZE

MOST_MEMBERS = 256


def draw_mapping(bits: int, rng: np.random.Generator, symbols: int = SIZE) -> np.ndarray:
    """Draw distinct random codes ("hashmap" in the source system), shape (symbols, bits), values 0 and 1.

    Args:
        bits: number of bits of each code.
        rng: generator of the codes.
        symbols: number of symbols, one code each.

    Raises:
        ValueError: `bits` is too small for `symbols` distinct codes.
    """
    if 2**bits < symbols:
        raise ValueError(f"code_bits={bits} cannot tell {symbols} characters apart: at least 7 are needed")
    while True:
        codes = rng.integers(0, 2, (symbols, bits), dtype=np.uint8)
        if len(np.unique(codes, axis=0)) == symbols:
            return codes
        if bits < 16:  # collisions are likely with short codes: draw distinct numbers instead
            numbers = rng.choice(2**bits, symbols, replace=False).astype(">u4")
            return np.unpackbits(numbers.view(np.uint8).reshape(symbols, 4), axis=1)[:, -bits:]


OWN_CODE = "these networks learned their own code: a fresh key requires retraining"
NO_KEY_BITS = "the code of these networks is not made of key bits"


class CodebookCipher(Cipher):
    """An ensemble of M code books; each chunk of the text is encrypted by a random member, whose id is public.

    Args:
        codes: code of each symbol, shape (M, 91, bytes), uint8, packed, most significant bit first.
        bits: number of used bits in each member's codes, shape (M,).
        decoded: symbol to which each member decrypts each of its codes, shape (M, 91), uint8.
        chunk: number of consecutive characters that one member encrypts.
        key: codes that were drawn as the key, shape (M, 91, bytes), packed; None if the networks learned their own.
        network: settings and weights of the networks from which the tables were computed; None or a pair of empty
            dicts for tables without networks.

    Attributes:
        members: number of code books, M.
        floats: whether the codes are the networks' raw outputs, big-endian float32, instead of bits.
    """

    def __init__(
        self,
        codes: np.ndarray,
        bits: np.ndarray,
        decoded: np.ndarray,
        chunk: int = 1,
        key: np.ndarray | None = None,
        network: tuple[dict[str, Any], dict[str, np.ndarray]] | None = None,
    ) -> None:
        self.codes, self.bits, self.decoded, self.chunk = codes, bits, decoded, chunk
        self.key, self.network = key, network or ({}, {})
        self.members = len(codes)
        self.floats = self.network[0].get("travels") == "floats"
        self.rekeys = key is not None and not self.floats
        if len(codes) > MOST_MEMBERS:
            raise ValueError(f"{len(codes)} members are too many: an id is one byte, so at most {MOST_MEMBERS}")

    @classmethod
    def from_mappings(cls, mappings: list[np.ndarray], chunk: int = 1) -> CodebookCipher:
        """Create code books without networks.

        Args:
            mappings: code of each symbol as bits, one array of shape (91, bits) per member.
            chunk: number of consecutive characters that one member encrypts.
        """
        width = max((m.shape[1] + 7) // 8 for m in mappings)
        codes = np.zeros((len(mappings), SIZE, width), np.uint8)
        for member, mapping in enumerate(mappings):
            packed = np.packbits(mapping, axis=1)
            codes[member, :, : packed.shape[1]] = packed
        decoded = np.tile(np.arange(SIZE, dtype=np.uint8), (len(mappings), 1))
        return cls(codes, np.array([m.shape[1] for m in mappings]), decoded, chunk, codes.copy())

    def threshold_codes(self) -> np.ndarray:
        """Return the codes as bits, shape (M, 91, bits); codes of floats are thresholded at 0.5."""
        if self.floats:
            return (self.codes.view(">f4") > 0.5).astype(np.uint8)
        return np.unpackbits(self.codes, axis=-1)

    def encrypt(self, symbols: np.ndarray, rng: np.random.Generator, nonce: bytes | None = None) -> Ciphertext:
        """Encrypt symbols, with a random member for each chunk; there is no nonce."""
        chunks = -(-len(symbols) // self.chunk)
        by_chunk = rng.integers(0, self.members, chunks) if self.members > 1 else np.zeros(chunks, np.int64)
        members = np.repeat(by_chunk, self.chunk)[: len(symbols)]
        return Ciphertext(self.codes[members, symbols], self.bits[members], members, b"", len(symbols))

    def decrypt(self, ciphertext: Ciphertext) -> np.ndarray:
        """Decrypt a message, shape (length,), uint8.

        Raises:
            UserError: a code is not in its member's code book.
        """
        rows = np.column_stack([ciphertext.members.astype(np.uint8), ciphertext.codes])
        distinct, indices = np.unique(rows, axis=0, return_inverse=True)
        book = {bytes([m]) + self.codes[m, s].tobytes(): self.decoded[m, s] for m, s in np.ndindex(self.members, SIZE)}
        try:
            symbols = np.array([book[row.tobytes()] for row in distinct], np.uint8)
        except KeyError:
            raise UserError("the ciphertext holds a code that this model never makes") from None
        return np.asarray(symbols[indices.ravel()])

    def with_fresh_key(self, rng: np.random.Generator) -> CodebookCipher:
        """Return code books with new random codes.

        Networks that were trained to a mapping reproduce it exactly, so tables are equivalent to retrained networks.

        Raises:
            NotImplementedError: the networks learned their own code, so a fresh key requires retraining.
        """
        if self.key is None:
            raise NotImplementedError(OWN_CODE)
        return CodebookCipher.from_mappings([draw_mapping(int(b), rng) for b in self.bits], self.chunk)

    def with_key_bit_flipped(self, rng: np.random.Generator) -> CodebookCipher:
        """Return the same cipher with one random bit of one code flipped.

        Raises:
            NotImplementedError: the networks learned their own code, or send floats.
        """
        if self.key is None or self.floats:
            raise NotImplementedError(NO_KEY_BITS)
        member, symbol = int(rng.integers(self.members)), int(rng.integers(SIZE))
        bit, codes = int(rng.integers(self.bits[member])), self.codes.copy()
        codes[member, symbol, bit // 8] ^= 128 >> bit % 8
        return CodebookCipher(codes, self.bits, self.decoded, self.chunk, codes)

    def settings(self) -> dict[str, Any]:
        """Return the chunk length and the networks' settings."""
        return {"chunk": self.chunk, "network": self.network[0]}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the tables, the key if there is one, and the networks' weights."""
        tables = {"codes": self.codes, "bits": self.bits, "decoded": self.decoded}
        key = {} if self.key is None else {"key": self.key}
        return tables | key | {f"network.{name}": weight for name, weight in self.network[1].items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> CodebookCipher:
        """Construct the cipher from its settings and arrays.

        Raises:
            ValueError: a setting or an array is missing, or inconsistent with the others.
        """
        require_value(Depth, settings.get("chunk"), "settings.chunk")
        require_value(dict[str, Any], settings.get("network"), "settings.network")
        codes = require_array(arrays, "codes", np.uint8, (None, SIZE, None))
        members, _, width = codes.shape
        if not members or not width:
            raise ValueError(f"codes has shape {list(codes.shape)}, at least one member and one byte are needed")
        bits = require_array(arrays, "bits", np.integer, (members,), low=1, high=8 * width)
        decoded = require_array(arrays, "decoded", np.uint8, (members, SIZE), high=SIZE - 1)
        key = require_array(arrays, "key", np.uint8, (members, SIZE, None)) if "key" in arrays else None
        weights = {k.removeprefix("network."): v for k, v in arrays.items() if k.startswith("network.")}
        check_network(settings["network"], weights, codes, bits)
        return CodebookCipher(codes, bits, decoded, settings["chunk"], key, (settings["network"], weights))
