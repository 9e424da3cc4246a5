"""Flower's Grid in one process. Importing this module imports Flower, whose class it extends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from veilbench.federated.flower_library import import_flower

Grid: Any = import_flower("serverapp").Grid


class InProcessGrid(Grid):  # type: ignore[misc]
    """Delivers messages directly; every client answers immediately.

    Args:
        answer: function that returns a client's reply to a message.
        nodes: numbers of the clients, all of which are always available.
    """

    def __init__(self, answer: Callable[[Any], Any], nodes: Sequence[int]) -> None:
        self.answer, self.nodes, self.waiting = answer, list(nodes), dict[str, Any]()

    def set_run(self, run: Any) -> None:
        """Do nothing: there is only one run."""

    @property
    def run(self) -> Any:
        """None: there is no run object."""
        return None

    def create_message(self, content: Any, message_type: str, dst_node_id: int, group_id: str, ttl: Any = None) -> Any:
        """Create a message; `ttl` is ignored."""
        message = import_flower("app").Message
        return message(content=content, message_type=message_type, dst_node_id=dst_node_id, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """Return the numbers of all clients."""
        return self.nodes

    def push_messages(self, messages: Iterable[Any]) -> list[str]:
        """Deliver messages and store the replies; return the replies' ids."""
        answers = {f"{len(self.waiting) + place}": self.answer(m) for place, m in enumerate(messages)}
        self.waiting.update(answers)
        return list(answers)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Any]:
        """Return the stored replies with these ids and remove them."""
        return [self.waiting.pop(name) for name in message_ids]

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        """Deliver messages and return the replies."""
        return [self.answer(message) for message in messages]
