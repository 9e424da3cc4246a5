"""The attacker's interface to a text cipher: it provides what the threat model grants, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext


@dataclass(frozen=True)
class Pair:
    """A known message with its ciphertext.

    Attributes:
        symbols: the message, shape (length,).
        ciphertext: its encryption under the attacked key.
    """

    symbols: np.ndarray
    ciphertext: Ciphertext


class CipherOracle:
    """Oracle for one attacked key.

    Args:
        threat: threat model; it decides which methods may be used.
        cipher: the cipher under the attacked key.
        secret: message that the attack must recover, shape (length,).
        auxiliary: text of the same kind, disjoint from the secret, shape (length,).
        rng: generator of nonces and members.
        known: messages that the attacker knows; they are encrypted under the attacked key.

    Raises:
        UserError: (from the methods) the threat model does not grant the request.
    """

    def __init__(
        self,
        threat: ThreatModel,
        cipher: Cipher,
        secret: np.ndarray,
        auxiliary: np.ndarray,
        rng: np.random.Generator,
        known: list[np.ndarray] | None = None,
    ) -> None:
        self.threat, self._cipher, self._rng, self._auxiliary = threat, cipher, rng, auxiliary
        self._sealed = self._visible(cipher.encrypt(secret, rng))
        self._pairs = [Pair(message, self._visible(cipher.encrypt(message, rng))) for message in known or []]
        self.block = cipher.block

    def _visible(self, made: Ciphertext) -> Ciphertext:
        """Remove the members' ids if the threat model keeps them secret."""
        return made if self.threat.public_ids else replace(made, members=np.zeros_like(made.members))

    def ciphertext(self) -> Ciphertext:
        """Return the encrypted secret."""
        self.threat.require("ciphertext")
        return self._sealed

    def features(self, ciphertext: Ciphertext) -> np.ndarray:
        """Return the public features of each block, shape (blocks, features); the scheme is known to the attacker."""
        return self._cipher.features(ciphertext)

    def known(self) -> list[Pair]:
        """Return the known messages with their ciphertexts."""
        self.threat.require("known_pairs")
        return self._pairs

    def auxiliary(self) -> np.ndarray:
        """Return text from which to estimate the statistics of the language."""
        self.threat.require("auxiliary_data")
        return self._auxiliary

    def encrypt(self, symbols: np.ndarray) -> Ciphertext:
        """Encrypt a chosen message under the attacked key, with the secret's nonce if nonce reuse is granted."""
        self.threat.require("encryption_queries")
        nonce = self._sealed.nonce if self.threat.nonce_reuse else None
        return self._visible(self._cipher.encrypt(symbols, self._rng, nonce))


def tokens(ciphertexts: list[Ciphertext]) -> tuple[list[np.ndarray], np.ndarray]:
    """Number the distinct codes of several ciphertexts, separately for each member if members are visible.

    Codes of different lengths are distinct. Codes of one member and length form one group as long as they can all be
    from one code book; the 256 values of a byte stream cannot.

    Returns:
        For each ciphertext the token of each block, and for each token its group, or -1 if the group would have more
        codes than a code book has characters.
    """
    rows = np.concatenate([np.column_stack([c.members, c.bits, c.codes]) for c in ciphertexts])
    distinct, where = np.unique(rows, axis=0, return_inverse=True)
    _, groups, sizes = np.unique(distinct[:, :2], axis=0, return_inverse=True, return_counts=True)
    groups = np.where(sizes[groups.ravel()] > 91, -1, groups.ravel())
    cuts = np.cumsum([len(c.codes) for c in ciphertexts])[:-1]
    return np.split(where.ravel(), cuts), groups
