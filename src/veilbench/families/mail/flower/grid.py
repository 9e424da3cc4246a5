"""Flower's Grid within one process. Importing this imports Flower, whose class it extends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from veilbench.federated.flower_library import flower

Grid: Any = flower("serverapp").Grid


class InProcessGrid(Grid):  # type: ignore[misc]
    """Hands messages over, and has every client answer at once.

    Args:
        answer: a client's reply to a message.
        nodes: the clients' numbers; all are there.
    """

    def __init__(self, answer: Callable[[Any], Any], nodes: Sequence[int]) -> None:
        self.answer, self.nodes, self.waiting = answer, list(nodes), dict[str, Any]()

    def set_run(self, run: Any) -> None:
        """There is but one run."""

    @property
    def run(self) -> Any:
        """None."""
        return None

    def create_message(self, content: Any, message_type: str, dst_node_id: int, group_id: str, ttl: Any = None) -> Any:
        """A message."""
        made = flower("app").Message
        return made(content=content, message_type=message_type, dst_node_id=dst_node_id, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """All clients."""
        return self.nodes

    def push_messages(self, messages: Iterable[Any]) -> list[str]:
        """Ask, and keep the answers."""
        answers = {f"{len(self.waiting) + place}": self.answer(m) for place, m in enumerate(messages)}
        self.waiting.update(answers)
        return list(answers)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Any]:
        """The kept answers."""
        return [self.waiting.pop(name) for name in message_ids]

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        """Both at once."""
        return [self.answer(message) for message in messages]
