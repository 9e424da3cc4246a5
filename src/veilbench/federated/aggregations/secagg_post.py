"""What passes between an aggregator and its clients beside the updates, within one process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from veilbench.bench.errors import UserError


@dataclass(frozen=True)
class Letter:
    """One message.

    Attributes:
        client: who sent it, or was sent it.
        up: whether to the aggregator.
        content: as it went.
    """

    client: int
    up: bool
    content: bytes


class Post:
    """Hands letters over and keeps a copy of each: the aggregator sees these, the updates' messages, and nothing else.

    Args:
        parties: per client, what answers a letter.
    """

    def __init__(self, parties: dict[int, Callable[[bytes], bytes]]) -> None:
        self.parties = parties
        self.gone: set[int] = set()  # clients that answer nothing any more
        self.letters: list[Letter] = []

    def ask(self, client: int, asked: dict[str, Any]) -> dict[str, Any]:
        """A client's answer.

        Raises:
            UserError: it has gone, or refuses.
        """
        if client in self.gone:
            raise UserError(f"client {client} has gone without an answer")
        self.letters.append(Letter(client, False, json.dumps(asked).encode()))
        self.letters.append(Letter(client, True, self.parties[client](self.letters[-1].content)))
        answer: dict[str, Any] = json.loads(self.letters[-1].content)
        return answer
