"""What a text cipher hands to an attack under a threat model. An attack sees nothing else of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.schemes.base import Cipher, Ciphertext

Encrypt = Callable[[np.ndarray], Ciphertext]


@dataclass(frozen=True)
class Pair:
    """A message that the attacker knows, shape (length,), and its ciphertext."""

    symbols: np.ndarray
    ciphertext: Ciphertext


class Exposure:
    """One attacked key, as the attacker meets it.

    Args:
        threat: what the attacker has.
        cipher: the scheme under the attacked key.
        secret: the message that the attacker does not know, shape (length,).
        auxiliary: text of the same kind, disjoint from the secret one.
        rng: draws nonces and members.
        known: messages that the attacker knows, to be encrypted under the attacked key.

    Raises:
        UserError: (from each method) the threat model does not grant what was asked for.
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
        """Without the ids of the members, where they are kept secret."""
        return made if self.threat.public_ids else replace(made, members=np.zeros_like(made.members))

    def ciphertext(self) -> Ciphertext:
        """The encrypted secret."""
        self.threat.require("ciphertext")
        return self._sealed

    def features(self, ciphertext: Ciphertext) -> np.ndarray:
        """What a learner is shown of each block, shape (blocks, features): the scheme is known, and so is this."""
        return self._cipher.features(ciphertext)

    def known(self) -> list[Pair]:
        """Known messages with their ciphertexts."""
        self.threat.require("known_pairs")
        return self._pairs

    def auxiliary(self) -> np.ndarray:
        """Text to learn the language from."""
        self.threat.require("auxiliary_data")
        return self._auxiliary

    def encrypt(self, symbols: np.ndarray) -> Ciphertext:
        """A message of the attacker's choice under the attacked key; reuses the secret's nonce if granted."""
        self.threat.require("encryption_queries")
        nonce = self._sealed.nonce if self.threat.nonce_reuse else None
        return self._visible(self._cipher.encrypt(symbols, self._rng, nonce))


def tokens(ciphertexts: list[Ciphertext]) -> tuple[list[np.ndarray], np.ndarray]:
    """Number the distinct codes of several ciphertexts, by member where the members are visible.

    Codes of different lengths are told apart, and codes of one member or one length belong to one group as long
    as they can all be of one code book: a byte stream of 256 values cannot.

    Returns:
        For each ciphertext the token of each block, and for each token its group, or -1 where a group would hold
        more codes than one code book has characters.
    """
    rows = np.concatenate([np.column_stack([c.members, c.bits, c.codes]) for c in ciphertexts])
    distinct, where = np.unique(rows, axis=0, return_inverse=True)
    _, groups, sizes = np.unique(distinct[:, :2], axis=0, return_inverse=True, return_counts=True)
    groups = np.where(sizes[groups.ravel()] > 91, -1, groups.ravel())
    cuts = np.cumsum([len(c.codes) for c in ciphertexts])[:-1]
    return np.split(where.ravel(), cuts), groups
