"""The federation as one Flower app: a ServerApp with Flower's own strategies, and a ClientApp that trains on its mails.

Updates travel as they are: protection is of `training=federated`. Flower 1.41 has SecAgg+ for its older API alone
(`flwr.server.workflow.SecAggPlusWorkflow`, which does not take the strategies used here), so that it is not offered.
The run's configuration, all plain values, is `DEFAULTS`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from veilbench.data.mail import Mails, load_mails
from veilbench.errors import UserError
from veilbench.federated.flat import flat
from veilbench.federated.flower_library import flower
from veilbench.federated.local_round import ORDER, client_update, moved_weights
from veilbench.federated.protocol import Protocol
from veilbench.findings import whole_folder
from veilbench.mail.filter import MailFilter

DEFAULTS: dict[str, bool | float | int | str] = {
    "prepared": "prepared/mail_small",  # a folder that the stage `prepare` wrote
    "out": "",  # a folder for the trained filter; empty keeps it nowhere
    "clients": 3,  # that must be there before a round begins
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
    "seed": 0,
}
STRATEGIES = {
    "fedavg": ("FedAvg", {}),
    "fedprox": ("FedProx", {"proximal_mu": "proximal"}),
    "trimmed_mean": ("FedTrimmedAvg", {"beta": "share"}),
    "median": ("FedMedian", {}),
    "krum": ("Krum", {"num_malicious_nodes": "malicious"}),
}
load_once = lru_cache(maxsize=2)(load_mails)


def settings_of(context: Any) -> dict[str, Any]:
    """The run's configuration over `DEFAULTS`.

    Raises:
        UserError: a key is unknown.
    """
    given = dict(context.run_config)
    if unknown := sorted(given.keys() - DEFAULTS.keys()):
        raise UserError(f"unknown key {unknown[0]} of the Flower run; allowed: {', '.join(DEFAULTS)}")
    return DEFAULTS | given


def strategy_of(settings: dict[str, Any]) -> Any:
    """Flower's strategy of that name.

    Raises:
        UserError: there is none.
    """
    if settings["strategy"] not in STRATEGIES:
        raise UserError(f"strategy={settings['strategy']} is not allowed: one of {', '.join(STRATEGIES)}")
    name, arguments = STRATEGIES[settings["strategy"]]
    least = dict.fromkeys(("min_train_nodes", "min_available_nodes"), settings["clients"])
    kind = getattr(flower("serverapp.strategy"), name)
    return kind(fraction_evaluate=0.0, **least, **{key: settings[value] for key, value in arguments.items()})


def protocol_of(settings: dict[str, Any], proximal: float) -> Protocol:
    """How clients train."""
    names = ("rounds", "local_epochs", "batch_size", "optimizer", "learning_rate", "momentum")
    plain = {"_target_": "veilbench.federated.aggregations.plain.Plain", "bits": 32}
    return Protocol(plain, proximal=proximal, **{name: settings[name] for name in names})


def serve(grid: Any, context: Any) -> MailFilter:
    """The server's side: all rounds; the filter is saved where the configuration says.

    Raises:
        UserError: a setting is not allowed, or no round gave weights.
    """
    settings = settings_of(context)
    mails = load_once(Path(settings["prepared"]))
    first = [np.zeros((mails.vocabulary.size, 1), np.float32), np.zeros((1, 1), np.float32)]
    record = flower("app").ArrayRecord(first)
    result = strategy_of(settings).start(grid, record, num_rounds=settings["rounds"], timeout=600)
    arrays = result.arrays.to_numpy_ndarrays() if result.arrays else []
    if not arrays:
        raise UserError("the federation ended without weights: no round had enough clients")
    weights = dict(zip(ORDER, arrays, strict=False))
    made = MailFilter(weights, mails.vocabulary, mails.train.tokens.shape[1], protocol_of(settings, 0.0))
    if settings["out"]:
        with whole_folder(Path(settings["out"])) as partial:
            made.save(partial)
    return made


def train(message: Any, context: Any) -> Any:
    """A client's side of one round: the new weights, and how many mails they were learned from."""
    app, settings = flower("app"), settings_of(context)
    config = message.content["config"]
    tokens, labels = own_mails(load_once(Path(settings["prepared"])), int(context.node_config["partition-id"]))
    weights = dict(zip(ORDER, message.content["arrays"].to_numpy_ndarrays(), strict=False))
    protocol = protocol_of(settings, float(config.get("proximal-mu", 0.0)))
    seed = settings["seed"] + 1_000_003 * int(config.get("server-round", 0))
    update = client_update(weights, tokens, labels, protocol, seed)
    moved = moved_weights(weights, update)
    metrics = {"num-examples": len(labels), "update-norm": float(np.linalg.norm(flat([update])))}
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


def client_app() -> Any:
    """The ClientApp."""
    made = flower("clientapp").ClientApp()
    made.train()(train)
    return made


def server_app() -> Any:
    """The ServerApp."""
    made = flower("serverapp").ServerApp()

    def run(grid: Any, context: Any) -> None:
        serve(grid, context)

    made.main()(run)
    return made
