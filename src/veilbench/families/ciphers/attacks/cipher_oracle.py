"""The attacker's interface to a text cipher, limited to what the threat model grants."""

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
    """Oracle for one attacked key. Its methods raise a `UserError` if the threat model does not grant the request.

    Args:
        threat: threat model, which determines the methods that may be used.
        cipher: the cipher under the attacked key.
        secret: messages that the attack must recover, shape (messages, length), or one of shape (length,).
        auxiliary: text of the same kind, disjoint from the secret, shape (length,).
        rng: generator of nonces and members.
        known: messages that the attacker knows; they are encrypted under the attacked key.

    Attributes:
        block: number of characters per block of ciphertext.
        hidden: number of ensemble members whose ids the ciphertexts do not tell; 0 if they tell them, or if there is
            one member. The attacker knows the scheme, and so the number.
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
        self._secrets = [self._hide_ids(cipher.encrypt(message, rng)) for message in np.atleast_2d(secret)]
        self._pairs = [Pair(message, self._hide_ids(cipher.encrypt(message, rng))) for message in known or []]
        self.block = cipher.block
        self.hidden = 0 if threat.public_ids or cipher.members == 1 else cipher.members

    def _hide_ids(self, ciphertext: Ciphertext) -> Ciphertext:
        """Replace the members' ids by zeros if the threat model keeps them secret."""
        if self.threat.public_ids:
            return ciphertext
        return replace(ciphertext, members=np.zeros_like(ciphertext.members))

    def ciphertext(self) -> Ciphertext:
        """Return the encrypted secret; the first one of several."""
        return self.ciphertexts()[0]

    def ciphertexts(self) -> list[Ciphertext]:
        """Return all encrypted secrets."""
        self.threat.require("ciphertext")
        return self._secrets

    def extract_features(self, ciphertext: Ciphertext) -> np.ndarray:
        """Return the public features of each block, shape (blocks, features); the attacker knows the scheme."""
        return self._cipher.extract_features(ciphertext)

    def known(self) -> list[Pair]:
        """Return the known messages with their ciphertexts."""
        self.threat.require("known_pairs")
        return self._pairs

    def auxiliary(self) -> np.ndarray:
        """Return text for estimating the statistics of the language, shape (length,)."""
        self.threat.require("auxiliary_data")
        return self._auxiliary

    def encrypt(self, symbols: np.ndarray) -> Ciphertext:
        """Encrypt a chosen message of shape (length,) under the attacked key.

        If the threat model grants nonce reuse, the nonce is that of the first encrypted secret.
        """
        self.threat.require("encryption_queries")
        nonce = self._secrets[0].nonce if self.threat.nonce_reuse else None
        return self._hide_ids(self._cipher.encrypt(symbols, self._rng, nonce))


def number_codes(ciphertexts: list[Ciphertext], hidden: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Number the distinct codes of several ciphertexts.

    Codes are the same token if they agree in member, length and bits. Tokens of one member and length form a group:
    the code book of this member. A code book has at most 91 codes, so larger groups, such as the 256 values of a byte
    stream, are dissolved. So are all groups if ids are hidden, unless each member has a length of its own.

    Args:
        ciphertexts: ciphertexts whose codes have the same number of bytes.
        hidden: number of ensemble members whose ids are hidden, or 0.

    Returns:
        The token of each block, shape (blocks,), for each ciphertext; and the group of each token, shape (tokens,), -1
        for tokens without a group.
    """
    rows = np.concatenate([np.column_stack([c.members, c.bits, c.codes]) for c in ciphertexts])
    distinct, numbers = np.unique(rows, axis=0, return_inverse=True)
    _, groups, sizes = np.unique(distinct[:, :2], axis=0, return_inverse=True, return_counts=True)
    groups = np.where(hidden > len(sizes) or sizes[groups.ravel()] > 91, -1, groups.ravel())
    cuts = np.cumsum([len(c.codes) for c in ciphertexts])[:-1]
    return np.split(numbers.ravel(), cuts), groups
