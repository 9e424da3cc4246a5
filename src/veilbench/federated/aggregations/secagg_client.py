"""A client of secure aggregation: its keys, its masks, and its shares of other clients' secrets."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Client
from veilbench.federated.aggregations.plain import parse_values
from veilbench.federated.aggregations.secagg_masks import Ring, agree_seed, apply_sign
from veilbench.federated.flower_library import import_flower

Answer = dict[str, Any]
NEXT = {"shares": "forward", "forward": "mask", "unmask": "keys"}  # phases of a round


class SecaggClient(Client):
    """Answers the aggregator's requests, one per phase and round; refuses requests that would reveal a single update.

    Args:
        number: index of the client, from 0.
        ring: integers in which updates and masks are added.
    """

    def __init__(self, number: int, ring: Ring) -> None:
        self.number, self.ring = number, ring
        self.due = "keys"

    def answer(self, content: bytes) -> bytes:
        """Answer one serialized request of the aggregator.

        Raises:
            UserError: the request does not belong to the current phase, or would reveal a secret.
        """
        message = json.loads(content)
        phase = message.pop("phase")
        if phase == "keys":  # a new round discards the state of an unfinished one
            return json.dumps(self._generate_keys()).encode()
        if phase != self.due or phase not in ("shares", "forward", "unmask"):
            raise UserError(f"client {self.number} was sent a message on {phase}, and {self.due} is due")
        answers: dict[str, Callable[..., Answer]] = {
            "shares": self._share_secrets,
            "forward": self._store_shares,
            "unmask": self._reveal_shares,
        }
        answer = answers[phase](**message)
        self.due = NEXT[phase]
        return json.dumps(answer).encode()

    def _generate_keys(self) -> Answer:
        """Generate two key pairs: one for masks, one to encrypt shares for other clients."""
        keys = import_flower("supercore.primitives.asymmetric")
        pairs = {name: keys.generate_key_pairs() for name in ("mask", "message")}
        self.private = {name: keys.private_key_to_bytes(private) for name, (private, _) in pairs.items()}
        self.public = {name: keys.public_key_to_bytes(public).decode() for name, (_, public) in pairs.items()}
        self.due = "shares"
        return self.public

    def _share_secrets(self, threshold: int, keys: dict[str, dict[str, str]]) -> Answer:
        """Split the client's two secrets into shares, encrypted for each neighbour."""
        self.roster = {int(who): {name: key.encode() for name, key in own.items()} for who, own in keys.items()}
        self.threshold = threshold
        self._check_roster()
        shamir, secrets = import_flower("common.secure_aggregation.crypto.shamir"), import_encryption()
        pack = import_flower("common.secure_aggregation.secaggplus_utils").share_keys_plaintext_concat
        self.seed = os.urandom(32)
        parts = [
            shamir.create_shares(secret, threshold, len(self.roster)) for secret in (self.seed, self.private["mask"])
        ]
        self.held, sealed = dict[int, tuple[bytes, bytes]](), dict[int, str]()
        for who, seed_share, key_share in zip(self.roster, *parts, strict=True):
            if who == self.number:
                self.held[who] = (seed_share, key_share)
                continue
            content = pack(self.number, who, seed_share, key_share)
            sealed[who] = secrets.encrypt(self._fernet(who), content).decode()
        return {"ciphertexts": sealed}

    def _check_roster(self) -> None:
        """Check the neighbours' keys and the threshold.

        The threshold must exceed half of the neighbourhood: otherwise the aggregator could ask one half for the seed
        and the other for the key of the same client.

        Raises:
            UserError: the threshold is out of range, or keys are repeated or not the client's own.
        """
        if 2 * self.threshold <= len(self.roster) or self.threshold < 2 or self.threshold > len(self.roster):
            raise UserError(f"client {self.number} refuses a threshold of {self.threshold} of {len(self.roster)}")
        if self.roster.get(self.number) != {name: key.encode() for name, key in self.public.items()}:
            raise UserError(f"client {self.number} was shown other keys than its own as its own")
        if len({key for own in self.roster.values() for key in own.values()}) < 2 * len(self.roster):
            raise UserError(f"client {self.number} was shown the same key twice")

    def _fernet(self, who: int) -> bytes:
        return base64.urlsafe_b64encode(agree_seed(self.private["message"], self.roster[who]["message"]))

    def _store_shares(self, ciphertexts: dict[str, str]) -> Answer:
        """Store the shares of the neighbours that sent theirs; pairwise masks are added for these only."""
        unpack = import_flower("common.secure_aggregation.secaggplus_utils").share_keys_plaintext_separate
        secrets = import_encryption()
        for who, sealed in ((int(name), token) for name, token in ciphertexts.items()):
            try:
                source, to, *shares = unpack(secrets.decrypt(self._fernet(who), sealed.encode()))
            except Exception as error:  # the library's errors have an empty message
                raise UserError(f"client {self.number} cannot open the shares of client {who}") from error
            if (source, to) != (who, self.number):
                raise UserError(f"client {self.number} was sent shares of {source} for {to} as those of {who}")
            self.held[who] = (shares[0], shares[1])
        if len(self.held) < self.threshold:
            raise UserError(f"client {self.number} has shares of {len(self.held)} clients, and {self.threshold} needed")
        return {}

    def _protect(self, update: np.ndarray, weight: float) -> bytes:
        if self.due != "mask":  # two updates with the same mask would reveal their difference
            raise UserError("it takes no part in this round's secure aggregation, or has already sent its update")
        masked = self.ring.quantise(weight * update)
        self.due = "unmask"
        masked = masked + self.ring.expand_mask(self.seed, len(update))
        for who in self.held.keys() - {self.number}:
            seed = agree_seed(self.private["mask"], self.roster[who]["mask"])
            masked = masked + apply_sign(self.ring.expand_mask(seed, len(update)), self.number, who)
        return bytes(masked.tobytes())

    def _reveal_shares(self, alive: list[int], gone: list[int]) -> Answer:
        """Return shares of the seeds of clients that sent an update and of the keys of those that did not.

        Raises:
            UserError: both secrets of one client are requested, or too few clients sent an update.
        """
        if set(alive) & set(gone):
            raise UserError(f"client {self.number} was asked for both secrets of a client")
        if len(set(alive)) < self.threshold or not set(alive) | set(gone) <= self.held.keys():
            raise UserError(f"client {self.number} refuses to unmask {len(set(alive))} of {len(self.held)} clients")
        answer = {
            "seeds": {who: self.held[who][0].hex() for who in alive},
            "keys": {who: self.held[who][1].hex() for who in gone},
        }
        del self.seed, self.private, self.held
        return answer

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        return parse_values(payload, np.float64, size)


def import_encryption() -> Any:
    """Import Flower's symmetric encryption: Fernet, which is AES-128 in CBC mode with an HMAC."""
    return import_flower("common.secure_aggregation.crypto.symmetric_encryption")
