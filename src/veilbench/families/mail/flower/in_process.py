"""Runs the Flower app in one process, without sockets or Ray; messages are delivered directly."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from veilbench.families.mail.flower.app import RunConfig, client_app, serve
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.flower_library import import_flower


def run_in_process(run_config: RunConfig, clients: int, tap: Callable[[Any], None] | None = None) -> MailFilter:
    """Run all rounds of the app with separate contexts for the clients; return the trained filter.

    Args:
        run_config: settings that override `app.DEFAULTS`.
        clients: number of clients; the n-th node has the mails of client n.
        tap: called with every reply as the server receives it; None for no callback.
    """
    from veilbench.families.mail.flower.grid import InProcessGrid

    app, answering = import_flower("app"), client_app()
    empty = app.RecordDict
    contexts = {
        node: app.Context(1, node, {"partition-id": node - 1, "num-partitions": clients}, empty(), dict(run_config))
        for node in range(1, clients + 1)
    }

    def answer(message: Any) -> Any:
        """Return a client's reply; as in Flower's own engines, a failure is a reply with an error."""
        try:
            reply = answering(message, contexts[message.metadata.dst_node_id])
        except Exception as error:
            reply = app.Message(error=app.Error(code=1, reason=str(error)), reply_to=message)
        if tap:
            tap(reply)
        return reply

    logging.getLogger("flwr").setLevel(logging.WARNING)
    identity = import_flower("supercore.task_identity").TaskIdentity  # normally set by SuperLink; messages need it
    identity.run_id, identity.node_id, identity.task_id = 1, 0, 1
    server = app.Context(1, 0, {}, empty(), dict(run_config))
    return serve(InProcessGrid(answer, list(contexts)), server)
