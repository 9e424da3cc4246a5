"""The federation as one Flower app: a ServerApp with Flower's own strategies, and a ClientApp that trains on its mails.

Updates travel as they are, and the server can read them, under Flower's differential privacy too, which is of what the
server hands on: other protection is of `training=federated`. Flower 1.41 has SecAgg+ for its older API alone
(`flwr.server.workflow.SecAggPlusWorkflow`, which does not take the strategies used here): see `aggregations.secagg`.
The run's configuration, all plain values, is `DEFAULTS`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from veilbench.bench.errors import UserError
from veilbench.bench.folders import whole_folder
from veilbench.families.mail.data.mail import MailPart, Mails, load_mails
from veilbench.families.mail.flower.accountant import flower_draws
from veilbench.families.mail.flower.strategy import WEIGHT, protocol_of, strategy_of
from veilbench.families.mail.local_round import ORDER, client_update, moved_weights
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.flat import flat
from veilbench.federated.flower_library import flower

RunConfig = dict[str, bool | float | int | str]
HISTORY = "history.json"  # beside the filter: per round, its numbers
WRITTEN = ("subject.json", "subject.safetensors", HISTORY)  # what the server leaves; an earlier one is replaced
DEFAULTS: RunConfig = {
    "prepared": "prepared/mail_small",  # a folder that the stage `prepare` wrote
    "out": "",  # a folder for the trained filter; empty keeps it nowhere
    "first": "",  # a safetensors file in `prepared` with the first weights by their names; empty begins from zeros
    "clients": 3,  # that must be there before a round begins
    "fraction": 1.0,  # of the clients, that takes part in a round
    "rounds": 3,
    "local_epochs": 1,
    "batch_size": 128,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "momentum": 0.0,
    "strategy": "fedavg",
    "proximal": 0.0,  # mu of fedprox
    "share": 0.2,  # cut off at each end by trimmed_mean
    "malicious": 0,  # that krum expects
    "privacy": "none",  # or server_side_fixed, client_side_fixed: Flower's wrappers, with
    "clip": 1.0,
    "noise_multiplier": 1.0,  # in units of clip / clients of a round
    "delta": 1e-5,
    "seed": 0,
}
load_once = lru_cache(maxsize=2)(load_mails)


def settings_of(context: Any, own: RunConfig | None = None) -> dict[str, Any]:
    """The run's configuration over the app's own settings over `DEFAULTS`.

    Args:
        context: Flower's.
        own: that the app was made with.

    Raises:
        UserError: a key is unknown.
    """
    given = dict(own or {}) | dict(context.run_config)
    if unknown := sorted(given.keys() - DEFAULTS.keys()):
        raise UserError(f"unknown key {unknown[0]} of the Flower run; allowed: {', '.join(DEFAULTS)}")
    return DEFAULTS | given


def serve(grid: Any, context: Any, own: RunConfig | None = None) -> MailFilter:
    """The server's side: all rounds; the filter is saved where the configuration says.

    Raises:
        UserError: a setting is not allowed, or no round gave weights.
    """
    settings = settings_of(context, own)
    mails = load_once(Path(settings["prepared"]))
    first = first_weights(settings, mails)

    def filter_of(arrays: Sequence[np.ndarray]) -> MailFilter:
        named, longest = dict(zip(first, arrays, strict=True)), mails.train.tokens.shape[1]
        return MailFilter(named, mails.vocabulary, longest, protocol_of(settings, settings["proximal"]))

    def measured(number: int, arrays: Any) -> Any:
        return flower("app").MetricRecord(health(filter_of(arrays.to_numpy_ndarrays()), mails.validation))

    record = flower("app").ArrayRecord(list(first.values()))
    strategy = strategy_of(settings)
    with flower_draws(settings["seed"]):
        result = strategy.start(grid, record, num_rounds=settings["rounds"], timeout=600, evaluate_fn=measured)
    arrays = result.arrays.to_numpy_ndarrays() if result.arrays else []
    if not arrays:
        raise UserError("the federation ended without weights: no round had enough clients")
    made = filter_of(arrays)
    if settings["out"]:
        with whole_folder(Path(settings["out"]), WRITTEN) as partial:
            made.save(partial)
            (partial / HISTORY).write_text(json.dumps(history_of(result)), encoding="utf8")
    return made


def first_weights(settings: dict[str, Any], mails: Mails) -> dict[str, np.ndarray]:
    """What the first round begins from, in the order of the net's parameters."""
    if not settings["first"]:
        return {ORDER[0]: np.zeros((mails.vocabulary.size, 1), np.float32), ORDER[1]: np.zeros((1, 1), np.float32)}
    stored = load_file(Path(settings["prepared"]) / settings["first"])
    return {name: stored[name] for name in ORDER if name in stored}


def health(made: MailFilter, part: MailPart) -> dict[str, float]:
    """The mean loss and the accuracy on mails for validation."""
    logits = made.logits(part.tokens)
    loss = np.logaddexp(0, np.where(part.labels == 1, -logits, logits))
    right = (logits > 0) == (part.labels == 1)
    return {"validation loss": float(loss.mean()), "validation accuracy": float(right.mean())}


def history_of(result: Any) -> list[dict[str, float]]:
    """Per round what the server measured, and what the clients did; a round that gave nothing is left out."""
    clients, server = result.train_metrics_clientapp, result.evaluate_metrics_serverapp
    rounds = [{**clients[number], **server[number]} for number in sorted(clients) if number in server]
    return [{name.replace("-", " "): value for name, value in numbers.items()} for numbers in rounds]


def train(message: Any, context: Any, own: RunConfig | None = None) -> Any:
    """A client's side of one round: the new weights, and how much they count: every mail the same, or every client.

    Where clients are to be hidden, the length of their updates is not told either.
    """
    app, settings = flower("app"), settings_of(context, own)
    config = message.content["config"]
    tokens, labels = own_mails(load_once(Path(settings["prepared"])), int(context.node_config["partition-id"]))
    weights = dict(zip(ORDER, message.content["arrays"].to_numpy_ndarrays(), strict=False))
    protocol = protocol_of(settings, float(config.get("proximal-mu", 0.0)))
    seed = settings["seed"] + 1_000_003 * int(config.get("server-round", 0))
    update = client_update(weights, tokens, labels, protocol, seed)
    moved = moved_weights(weights, update)
    open_metrics = {WEIGHT: len(labels), "update-norm": float(np.linalg.norm(flat([update])))}
    metrics = open_metrics if settings["privacy"] == "none" else {WEIGHT: 1}
    content = {"arrays": app.ArrayRecord(list(moved.values())), "metrics": app.MetricRecord(metrics)}
    return app.Message(content=app.RecordDict(content), reply_to=message)


def own_mails(mails: Mails, client: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and labels of one client.

    Raises:
        UserError: there is no such client.
    """
    own = mails.clients == client
    if not own.any():
        raise UserError(f"partition-id={client} has no mails: the data has {int(mails.clients.max()) + 1} clients")
    return mails.train.tokens[own], mails.train.labels[own]


def client_app(own: RunConfig | None = None) -> Any:
    """The ClientApp.

    Args:
        own: settings; the run's configuration goes before them.
    """
    made = flower("clientapp").ClientApp()

    def trained(message: Any, context: Any) -> Any:
        return train(message, context, own)

    def answer(message: Any, context: Any) -> Any:
        """As `ClientApp(mods=[fixedclipping_mod])`, where the run's configuration asks for it."""
        if settings_of(context, own)["privacy"] == "client_side_fixed":
            return flower("clientapp.mod").fixedclipping_mod(message, context, trained)
        return trained(message, context)

    made.train()(answer)
    return made


def server_app(own: RunConfig | None = None) -> Any:
    """The ServerApp.

    Args:
        own: settings; the run's configuration goes before them.
    """
    made = flower("serverapp").ServerApp()

    def run(grid: Any, context: Any) -> None:
        serve(grid, context, own)

    made.main()(run)
    return made
