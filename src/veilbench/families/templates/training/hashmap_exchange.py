"""Messages between a server and clients that train hashmaps separately.

A message is a safetensors file of two arrays, `hashmaps` and `identities`, and contains nothing else.
"""

from __future__ import annotations

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from veilbench.bench.errors import UserError

PARTS = {"hashmaps", "identities"}


def pack_message(hashmaps: np.ndarray, identities: np.ndarray) -> bytes:
    """Encode a message.

    Args:
        hashmaps: codes of a client's images, shape (n, code), float32.
        identities: identity of each hashmap, shape (n,), int64.

    Raises:
        UserError: the arrays have another shape or type, or are not finite.
    """
    if hashmaps.ndim != 2 or hashmaps.dtype != np.float32 or identities.shape != (len(hashmaps),):
        raise UserError(f"hashmaps of shape {hashmaps.shape} and identities of {identities.shape} cannot be sent")
    if not np.isfinite(hashmaps).all():
        raise UserError(f"{int((~np.isfinite(hashmaps)).sum())} numbers of a client's hashmaps are not finite")
    return bytes(save({"hashmaps": np.ascontiguousarray(hashmaps), "identities": identities.astype(np.int64)}))


def unpack_message(message: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Decode a message from `pack_message` into hashmaps and identities.

    Raises:
        UserError: the bytes are not such a message.
    """
    try:
        parts = load(message)
    except SafetensorError as error:
        raise UserError(f"a message of {len(message)} bytes holds no hashmaps: {error}") from error
    if parts.keys() != PARTS:
        raise UserError(f"a message holds {sorted(parts)}; allowed: {sorted(PARTS)}")
    pack_message(parts["hashmaps"], parts["identities"])  # checks shapes and values
    return parts["hashmaps"], parts["identities"]


class HashmapServer:
    """Keeps each client's latest hashmaps, and sends them to the other clients."""

    def __init__(self) -> None:
        self.latest: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def receive(self, client: int, message: bytes) -> None:
        """Receive a client's hashmaps, which replace its previous ones.

        Raises:
            UserError: the message is invalid, or its hashmaps have another length than the other clients'.
        """
        hashmaps, identities = unpack_message(message)
        for other, (theirs, _) in self.latest.items():
            if other != client and theirs.shape[1] != hashmaps.shape[1]:
                raise UserError(f"hashmaps of client {client} have {hashmaps.shape[1]} numbers, not {theirs.shape[1]}")
        self.latest[client] = hashmaps, identities

    def message_for(self, client: int) -> bytes:
        """Return a message with the hashmaps of all other clients.

        Raises:
            UserError: no other client has sent any.
        """
        others = [self.latest[other] for other in sorted(self.latest) if other != client]
        if not others:
            raise UserError(f"no client but {client} has sent hashmaps: there are no strangers to learn from")
        return pack_message(
            np.concatenate([h for h, _ in others]), np.concatenate([identities for _, identities in others])
        )
