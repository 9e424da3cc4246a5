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
from veilbench.federated.aggregations.secagg_masks import SEED_BYTES, Ring, agree_seed, apply_sign, export_scalar
from veilbench.federated.aggregations.secagg_shamir import create_shares
from veilbench.federated.aggregations.secagg_survivors import find_signers, generate_signing_keys, sign_survivors
from veilbench.federated.flower_library import import_flower

Answer = dict[str, Any]
NEXT = {"shares": "forward", "forward": "mask", "survivors": "unmask", "unmask": "keys"}  # phases of a round


class SecaggClient(Client):
    """Answers the aggregator's requests, one per phase and round; refuses requests that would reveal a single update.

    Args:
        number: index of the client, from 0.
        ring: integers in which updates and masks are added.
        consistency: whether the client reveals shares only if enough neighbours have signed its list of survivors.
    """

    def __init__(self, number: int, ring: Ring, consistency: bool = True) -> None:
        self.number, self.ring, self.consistency = number, ring, consistency
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
        if phase != self.due or phase not in NEXT:
            raise UserError(f"client {self.number} was sent a message on {phase}, and {self.due} is due")
        answers: dict[str, Callable[..., Answer]] = {
            "shares": self._share_secrets,
            "forward": self._store_shares,
            "survivors": self._sign_survivors,
            "unmask": self._reveal_shares,
        }
        answer = answers[phase](**message)
        self.due = NEXT[phase]
        return json.dumps(answer).encode()

    def _generate_keys(self) -> Answer:
        """Generate three key pairs: for masks, to encrypt shares for other clients, to sign the list of survivors."""
        keys = import_flower("supercore.primitives.asymmetric")
        pairs = {name: keys.generate_key_pairs() for name in ("mask", "message")}
        self.private = {name: keys.private_key_to_bytes(private) for name, (private, _) in pairs.items()}
        self.public = {name: keys.public_key_to_bytes(public).decode() for name, (_, public) in pairs.items()}
        self.private["sign"], self.public["sign"] = generate_signing_keys()
        self.agreed = dict[int, bytes]()
        self.due = "shares"
        return self.public

    def _share_secrets(self, threshold: int, keys: dict[str, dict[str, str]]) -> Answer:
        """Split the client's two secrets into shares, encrypted for each neighbour."""
        self.roster = {int(who): {name: key.encode() for name, key in own.items()} for who, own in keys.items()}
        self.threshold = threshold
        self._check_roster()
        secrets = import_encryption()
        pack = import_flower("common.secure_aggregation.secaggplus_utils").share_keys_plaintext_concat
        self.seed = os.urandom(SEED_BYTES)
        opened = (self.seed, export_scalar(self.private["mask"]))
        parts = [create_shares(secret, threshold, len(self.roster)) for secret in opened]
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
        if len({key for own in self.roster.values() for key in own.values()}) < sum(map(len, self.roster.values())):
            raise UserError(f"client {self.number} was shown the same key twice")

    def _fernet(self, who: int) -> bytes:
        if who not in self.agreed:
            self.agreed[who] = agree_seed(self.private["message"], self.roster[who]["message"])
        return base64.urlsafe_b64encode(self.agreed[who])

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
        self.due = "survivors" if self.consistency else "unmask"
        masked = masked + self.ring.expand_mask(self.seed, len(update))
        for who in self.held.keys() - {self.number}:
            seed = agree_seed(self.private["mask"], self.roster[who]["mask"])
            masked = masked + apply_sign(self.ring.expand_mask(seed, len(update)), self.number, who)
        return bytes(masked.tobytes())

    def _sign_survivors(self, survivors: list[int]) -> Answer:
        """Sign the list of all clients whose updates are added (Bonawitz et al. 2017, round 3).

        Raises:
            UserError: the client itself is missing in the list, although it has sent an update.
        """
        if self.number not in survivors:
            raise UserError(f"client {self.number} is missing among the survivors, and has sent its update")
        self.survivors = set(survivors)
        return {"signature": sign_survivors(self.private["sign"], survivors)}

    def _check_consistency(self, alive: set[int], gone: set[int], signatures: dict[str, str]) -> None:
        """Check that the request follows from the signed list, and that enough neighbours signed the same list.

        Raises:
            UserError: the request differs from the list, or fewer neighbours than the threshold signed it.
        """
        if alive != self.held.keys() & self.survivors or gone != self.held.keys() - self.survivors:
            raise UserError(f"client {self.number} was asked for other shares than its list of survivors says")
        keys = {who: own["sign"].decode() for who, own in self.roster.items()}
        signers = find_signers(self.survivors, {int(who): signed for who, signed in signatures.items()}, keys)
        if len(signers) < self.threshold:
            raise UserError(
                f"client {self.number} refuses to unmask: {len(signers)} of {len(self.roster)} clients signed its list "
                f"of survivors, and {self.threshold} are needed"
            )

    def _reveal_shares(self, alive: list[int], gone: list[int], signatures: dict[str, str] | None = None) -> Answer:
        """Return shares of the seeds of clients that sent an update and of the keys of those that did not.

        Raises:
            UserError: both secrets of one client are requested, too few clients sent an update, or the neighbours were
                sent other lists of survivors.
        """
        if set(alive) & set(gone):
            raise UserError(f"client {self.number} was asked for both secrets of a client")
        if len(set(alive)) < self.threshold or not set(alive) | set(gone) <= self.held.keys():
            raise UserError(f"client {self.number} refuses to unmask {len(set(alive))} of {len(self.held)} clients")
        if self.consistency:
            self._check_consistency(set(alive), set(gone), signatures or {})
        answer = {
            "seeds": {who: self.held[who][0].hex() for who in alive},
            "keys": {who: self.held[who][1].hex() for who in gone},
        }
        del self.seed, self.private, self.held, self.agreed
        return answer

    def _open(self, payload: bytes, size: int) -> np.ndarray:
        return parse_values(payload, np.float64, size)


def import_encryption() -> Any:
    """Import Flower's symmetric encryption: Fernet, which is AES-128 in CBC mode with an HMAC."""
    return import_flower("common.secure_aggregation.crypto.symmetric_encryption")
