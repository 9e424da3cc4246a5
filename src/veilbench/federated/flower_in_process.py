"""Flower's app in one process: no sockets, no Ray; messages are handed over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from veilbench.federated.flower_app import RunConfig, client_app, serve
from veilbench.federated.flower_library import flower
from veilbench.mail.filter import MailFilter


def in_process(run_config: RunConfig, clients: int, tap: Callable[[Any], None] | None = None) -> MailFilter:
    """Run the app's rounds with so many clients, each its own context.

    Args:
        run_config: see `flower_app.DEFAULTS`.
        clients: nodes; the n-th has the mails of client n.
        tap: is shown every reply, as the server receives it.
    """
    app, answering = flower("app"), client_app()
    empty = app.RecordDict
    contexts = {
        node: app.Context(1, node, {"partition-id": node - 1, "num-partitions": clients}, empty(), dict(run_config))
        for node in range(1, clients + 1)
    }

    def answer(message: Any) -> Any:
        try:
            reply = answering(message, contexts[message.metadata.dst_node_id])
        except Exception as error:  # as Flower's own engines: a client that fails is an answer with an error
            reply = app.Message(error=app.Error(code=1, reason=str(error)), reply_to=message)
        if tap:
            tap(reply)
        return reply

    logging.getLogger("flwr").setLevel(logging.WARNING)
    identity = flower("supercore.task_identity").TaskIdentity  # which SuperLink would set; messages ask for it
    identity.run_id, identity.node_id, identity.task_id = 1, 0, 1
    grid = _grid(answer, list(contexts))
    server = app.Context(1, 0, {}, empty(), dict(run_config))
    return serve(grid, server)


def _grid(answer: Callable[[Any], Any], nodes: list[int]) -> Any:
    """A Grid that asks the clients at once; made here, for its base class is Flower's."""
    app = flower("app")

    class InProcessGrid(flower("serverapp").Grid):  # type: ignore[misc]
        """Hands messages over."""

        waiting: dict[str, Any] = {}  # noqa: RUF012

        def set_run(self, run: Any) -> None:
            """There is but one run."""

        @property
        def run(self) -> Any:
            """None."""
            return None

        def create_message(
            self, content: Any, message_type: str, dst_node_id: int, group_id: str, ttl: Any = None
        ) -> Any:
            """A message."""
            return app.Message(content=content, message_type=message_type, dst_node_id=dst_node_id, group_id=group_id)

        def get_node_ids(self) -> list[int]:
            """All clients are there."""
            return nodes

        def push_messages(self, messages: Iterable[Any]) -> list[str]:
            """Ask, and keep the answers."""
            answers = {f"{len(self.waiting) + place}": answer(m) for place, m in enumerate(messages)}
            self.waiting.update(answers)
            return list(answers)

        def pull_messages(self, message_ids: Iterable[str]) -> list[Any]:
            """The kept answers."""
            return [self.waiting.pop(name) for name in message_ids]

        def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
            """Both at once."""
            return [answer(message) for message in messages]

    return InProcessGrid()
