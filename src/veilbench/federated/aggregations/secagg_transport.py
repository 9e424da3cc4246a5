"""In-process transport of the protocol messages between aggregator and clients, other than the updates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from veilbench.bench.errors import UserError


@dataclass(frozen=True)
class Message:
    """One protocol message.

    Attributes:
        client: number of the client that sent or received it.
        up: True from the client to the aggregator, False for the other direction.
        content: the serialized message.
    """

    client: int
    up: bool
    content: bytes


class Transport:
    """Delivers and records protocol messages. The aggregator sees nothing but these messages and the masked updates.

    Args:
        parties: function that answers a message, by the client's number.
    """

    def __init__(self, parties: dict[int, Callable[[bytes], bytes]]) -> None:
        self.parties = parties
        self.gone: set[int] = set()  # clients that no longer answer
        self.messages: list[Message] = []

    def ask(self, client: int, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request to a client and return its answer.

        Raises:
            UserError: the client is gone, or refuses to answer.
        """
        if client in self.gone:
            raise UserError(f"client {client} has gone without an answer")
        self.messages.append(Message(client, False, json.dumps(request).encode()))
        self.messages.append(Message(client, True, self.parties[client](self.messages[-1].content)))
        answer: dict[str, Any] = json.loads(self.messages[-1].content)
        return answer
