"""Flower's strategies and its wrappers for differential privacy, and the equivalent aggregations of this project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veilbench.bench.errors import UserError
from veilbench.families.mail.flower.accountant import OpacusAccountant
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.equal_dp import EqualDp
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.flower_library import import_flower
from veilbench.federated.protocol import Protocol, describe_aggregation

STRATEGIES = {
    "fedavg": ("FedAvg", {}),
    "fedprox": ("FedProx", {"proximal_mu": "proximal"}),
    "trimmed_mean": ("FedTrimmedAvg", {"beta": "share"}),
    "median": ("FedMedian", {}),
    "krum": ("Krum", {"num_malicious_nodes": "malicious"}),
}
PRIVACIES = {
    "none": "",
    "server_side_fixed": "DifferentialPrivacyServerSideFixedClipping",
    "client_side_fixed": "DifferentialPrivacyClientSideFixedClipping",
}
MEANS = ("fedavg", "fedprox")  # strategies in which one client changes the result by at most clip / clients
WEIGHT = "weight"  # name of the metric by which Flower weights a client's update


def create_strategy(settings: Mapping[str, Any]) -> Any:
    """Create the configured strategy, in the wrapper for differential privacy if there is one.

    Raises:
        UserError: the strategy or the privacy does not exist, or they cannot be combined.
    """
    for key, allowed in (("strategy", STRATEGIES), ("privacy", PRIVACIES)):
        if settings[key] not in allowed:
            raise UserError(f"{key}={settings[key]} is not allowed: one of {', '.join(allowed)}")
    if reason := explain_refusal(settings["strategy"], settings["privacy"]):
        raise UserError(reason)
    name, arguments = STRATEGIES[settings["strategy"]]
    clients, fraction = int(settings["clients"]), float(settings["fraction"])
    sampled = max(1, round(fraction * clients))
    strategy = getattr(import_flower("serverapp.strategy"), name)(
        fraction_train=fraction,
        fraction_evaluate=0.0,
        min_available_nodes=clients,
        min_train_nodes=sampled,
        weighted_by_key=WEIGHT,
        **{key: settings[value] for key, value in arguments.items()},
    )
    return strategy if settings["privacy"] == "none" else add_privacy(strategy, settings, sampled)


def explain_refusal(strategy: str, privacy: str) -> str:
    """Return why a strategy cannot be combined with a privacy wrapper; empty if it can."""
    if privacy == "none" or strategy in MEANS:
        return ""
    allowed = " or ".join(MEANS)
    return f"privacy={privacy} is for strategy={allowed}, not for strategy={strategy}: Flower's noise fits a mean"


def add_privacy(strategy: Any, settings: Mapping[str, Any], sampled: int) -> Any:
    """Wrap a strategy for differential privacy, with an accountant.

    With an accountant, Flower requires equal weights and answers of all sampled clients.

    Args:
        strategy: Flower's strategy that averages the updates.
        settings: settings of the run.
        sampled: number of clients per round.
    """
    wrapper = getattr(import_flower("serverapp.strategy"), PRIVACIES[settings["privacy"]])
    accountant = OpacusAccountant(float(settings["delta"]), int(settings["clients"]))
    return wrapper(strategy, settings["noise_multiplier"], settings["clip"], sampled, accountant=accountant)


def create_aggregation(settings: Mapping[str, Any]) -> Aggregation:
    """Create the aggregation of this project that is equivalent to the strategy."""
    if settings["privacy"] != "none":
        arguments = (settings["clip"], settings["noise_multiplier"], settings["delta"])
        return EqualDp(*arguments, clips="server" if settings["privacy"] == "server_side_fixed" else "client")
    if settings["strategy"] not in MEANS:
        return Robust(settings["strategy"], settings["share"], settings["malicious"])
    return Plain()


def create_protocol(settings: Mapping[str, Any], proximal: float) -> Protocol:
    """Create the protocol of the federation.

    Args:
        settings: settings of the run.
        proximal: mu of FedProx, as sent by the server; it overrides the setting.
    """
    names = ("rounds", "local_epochs", "batch_size", "optimizer", "learning_rate", "momentum")
    local = {name: settings[name] for name in names}
    return Protocol(describe_aggregation(create_aggregation(settings)), proximal=proximal, **local)
