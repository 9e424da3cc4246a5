"""The Flower app of the federation: a ServerApp with Flower's own strategies, and a ClientApp for local training.

Updates are sent unprotected, so that the server can read them. This also holds with Flower's differential privacy,
which protects only the weights that the server sends; other protection is available with `training=federated`.

Flower 1.41 supports SecAgg+ only in its older API (`flwr.server.workflow.SecAggPlusWorkflow`), which does not accept
the strategies used here; `aggregations.secagg` implements it for `training=federated`.

`DEFAULTS` lists the run's configuration, which consists of plain values.
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
from veilbench.bench.folders import write_whole_folder
from veilbench.families.mail.data.mail import MailPart, Mails, load_mails
from veilbench.families.mail.flower.accountant import seed_flower
from veilbench.families.mail.flower.strategy import WEIGHT, create_protocol, create_strategy
from veilbench.families.mail.local_round import ORDER, apply_update, train_client
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.flat import flatten
from veilbench.federated.flower_library import import_flower

RunConfig = dict[str, bool | float | int | str]
HISTORY = "history.json"  # file next to the filter: metrics of each round
WRITTEN = ("model.json", "model.safetensors", HISTORY)  # the server's output; existing files are replaced
DEFAULTS: RunConfig = {
    "prepared": "prepared/mail_small",  # folder that the stage `prepare` wrote
    "out": "",  # folder for the trained filter; empty does not save it
    "first": "",  # safetensors file in `prepared` with the initial weights; empty starts from zeros
    "clients": 3,  # number of clients that must be connected before a round starts
    "fraction": 1.0,  # share of the clients that take part in a round
    "rounds": 3,
    "local_epochs": 1,
    "batch_size": 128,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "momentum": 0.0,
    "strategy": "fedavg",
    "proximal": 0.0,  # mu of `fedprox`
    "share": 0.2,  # share of clients that `trimmed_mean` drops at each end
    "malicious": 0,  # number of malicious clients that `krum` assumes
    "privacy": "none",  # or Flower's wrappers server_side_fixed and client_side_fixed, with:
    "clip": 1.0,
    "noise_multiplier": 1.0,  # in units of clip / clients per round
    "delta": 1e-5,
    "seed": 0,
}
load_once = lru_cache(maxsize=2)(load_mails)


def merge_settings(context: Any, app_settings: RunConfig | None = None) -> dict[str, Any]:
    """Merge the run's configuration, the app's settings and `DEFAULTS`, in this order of precedence.

    Args:
        context: Flower's context, with the run's configuration.
        app_settings: settings with which the app was created.

    Raises:
        UserError: a key is not in `DEFAULTS`.
    """
    given = dict(app_settings or {}) | dict(context.run_config)
    if unknown := sorted(given.keys() - DEFAULTS.keys()):
        raise UserError(f"unknown key {unknown[0]} of the Flower run; allowed: {', '.join(DEFAULTS)}")
    return DEFAULTS | given


def serve(grid: Any, context: Any, app_settings: RunConfig | None = None) -> MailFilter:
    """Run all rounds on the server; return the filter, and save it if the configuration names a folder.

    Args:
        grid: Flower's grid, which delivers messages.
        context: Flower's context, with the run's configuration.
        app_settings: settings with which the app was created.

    Raises:
        UserError: a setting is not allowed, or no round had enough clients.
    """
    settings = merge_settings(context, app_settings)
    mails = load_once(Path(settings["prepared"]))
    first = load_first_weights(settings, mails)

    def build_filter(arrays: Sequence[np.ndarray]) -> MailFilter:
        weights, longest = dict(zip(first, arrays, strict=True)), mails.train.tokens.shape[1]
        return MailFilter(weights, mails.vocabulary, longest, create_protocol(settings, settings["proximal"]))

    def evaluate(number: int, arrays: Any) -> Any:
        return import_flower("app").MetricRecord(
            evaluate_filter(build_filter(arrays.to_numpy_ndarrays()), mails.validation)
        )

    record = import_flower("app").ArrayRecord(list(first.values()))
    strategy = create_strategy(settings)
    with seed_flower(settings["seed"]):
        result = strategy.start(grid, record, num_rounds=settings["rounds"], timeout=600, evaluate_fn=evaluate)
    arrays = result.arrays.to_numpy_ndarrays() if result.arrays else []
    if not arrays:
        raise UserError("the federation ended without weights: no round had enough clients")
    trained = build_filter(arrays)
    if settings["out"]:
        with write_whole_folder(Path(settings["out"]), WRITTEN) as partial:
            trained.save(partial)
            (partial / HISTORY).write_text(json.dumps(collect_history(result)), encoding="utf8")
    return trained


def load_first_weights(settings: dict[str, Any], mails: Mails) -> dict[str, np.ndarray]:
    """Return the initial weights, in the order of the network's parameters."""
    if not settings["first"]:
        return {ORDER[0]: np.zeros((mails.vocabulary.size, 1), np.float32), ORDER[1]: np.zeros((1, 1), np.float32)}
    stored = load_file(Path(settings["prepared"]) / settings["first"])
    return {name: stored[name] for name in ORDER if name in stored}


def evaluate_filter(trained: MailFilter, part: MailPart) -> dict[str, float]:
    """Compute the mean loss and the accuracy of a filter on the validation mails."""
    logits = trained.logits(part.tokens)
    loss = np.logaddexp(0, np.where(part.labels == 1, -logits, logits))
    right = (logits > 0) == (part.labels == 1)
    return {"validation loss": float(loss.mean()), "validation accuracy": float(right.mean())}


def collect_history(result: Any) -> list[dict[str, float]]:
    """Return the metrics of the server and of the clients in each round; rounds without a result are left out."""
    clients, server = result.train_metrics_clientapp, result.evaluate_metrics_serverapp
    rounds = [{**clients[number], **server[number]} for number in sorted(clients) if number in server]
    return [{name.replace("-", " "): value for name, value in numbers.items()} for numbers in rounds]


def train(message: Any, context: Any, app_settings: RunConfig | None = None) -> Any:
    """Run a client's part of one round; return a reply with its new weights and its weight in the mean.

    The weight in the mean is the client's number of mails. With differential privacy it is 1 for all clients, and the
    norm of the update is not sent.

    Args:
        message: the server's message, with the global weights.
        context: Flower's context, with the run's configuration and the client's number.
        app_settings: settings with which the app was created.
    """
    app, settings = import_flower("app"), merge_settings(context, app_settings)
    config = message.content["config"]
    tokens, labels = select_mails(load_once(Path(settings["prepared"])), int(context.node_config["partition-id"]))
    weights = dict(zip(ORDER, message.content["arrays"].to_numpy_ndarrays(), strict=False))
    protocol = create_protocol(settings, float(config.get("proximal-mu", 0.0)))
    seed = settings["seed"] + 1_000_003 * int(config.get("server-round", 0))
    update = train_client(weights, tokens, labels, protocol, seed)
    new_weights = apply_update(weights, update)
    open_metrics = {WEIGHT: len(labels), "update-norm": float(np.linalg.norm(flatten([update])))}
    metrics = open_metrics if settings["privacy"] == "none" else {WEIGHT: 1}
    content = {"arrays": app.ArrayRecord(list(new_weights.values())), "metrics": app.MetricRecord(metrics)}
    return app.Message(content=app.RecordDict(content), reply_to=message)


def select_mails(mails: Mails, client: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens and labels of one client's mails.

    Raises:
        UserError: the client does not exist.
    """
    selected = mails.clients == client
    if not selected.any():
        raise UserError(f"partition-id={client} has no mails: the data has {int(mails.clients.max()) + 1} clients")
    return mails.train.tokens[selected], mails.train.labels[selected]


def client_app(app_settings: RunConfig | None = None) -> Any:
    """Create the ClientApp.

    Args:
        app_settings: settings of the app; the run's configuration takes precedence.
    """
    app = import_flower("clientapp").ClientApp()

    def train_round(message: Any, context: Any) -> Any:
        return train(message, context, app_settings)

    def answer(message: Any, context: Any) -> Any:
        """Apply `fixedclipping_mod` if configured; `ClientApp(mods=...)` would always apply it."""
        if merge_settings(context, app_settings)["privacy"] == "client_side_fixed":
            return import_flower("clientapp.mod").fixedclipping_mod(message, context, train_round)
        return train_round(message, context)

    app.train()(answer)
    return app


def server_app(app_settings: RunConfig | None = None) -> Any:
    """Create the ServerApp.

    Args:
        app_settings: settings of the app; the run's configuration takes precedence.
    """
    app = import_flower("serverapp").ServerApp()

    def run(grid: Any, context: Any) -> None:
        serve(grid, context, app_settings)

    app.main()(run)
    return app
