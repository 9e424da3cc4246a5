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
from veilbench.federated.flower_library import flower
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
MEANS = ("fedavg", "fedprox")  # strategies whose result one client changes by at most clip / clients
WEIGHT = "weight"  # name of the metric by which Flower weights a client's update


def strategy_of(settings: Mapping[str, Any]) -> Any:
    """Create the configured strategy, in the wrapper for differential privacy if there is one.

    Raises:
        UserError: the strategy or the privacy does not exist, or they cannot be combined.
    """
    for key, allowed in (("strategy", STRATEGIES), ("privacy", PRIVACIES)):
        if settings[key] not in allowed:
            raise UserError(f"{key}={settings[key]} is not allowed: one of {', '.join(allowed)}")
    if refused := refusal(settings["strategy"], settings["privacy"]):
        raise UserError(refused)
    name, arguments = STRATEGIES[settings["strategy"]]
    there, fraction = int(settings["clients"]), float(settings["fraction"])
    least = max(1, round(fraction * there))
    strategy = getattr(flower("serverapp.strategy"), name)(
        fraction_train=fraction,
        fraction_evaluate=0.0,
        min_available_nodes=there,
        min_train_nodes=least,
        weighted_by_key=WEIGHT,
        **{key: settings[value] for key, value in arguments.items()},
    )
    return strategy if settings["privacy"] == "none" else private(strategy, settings, least)


def refusal(strategy: str, privacy: str) -> str:
    """Return why a strategy cannot be combined with a privacy wrapper; empty if it can."""
    if privacy == "none" or strategy in MEANS:
        return ""
    allowed = " or ".join(MEANS)
    return f"privacy={privacy} is for strategy={allowed}, not for strategy={strategy}: Flower's noise fits a mean"


def private(strategy: Any, settings: Mapping[str, Any], sampled: int) -> Any:
    """Wrap a strategy with an accountant, with which Flower requires equal weights and all clients' answers."""
    wrapper = getattr(flower("serverapp.strategy"), PRIVACIES[settings["privacy"]])
    accountant = OpacusAccountant(float(settings["delta"]), int(settings["clients"]))
    return wrapper(strategy, settings["noise_multiplier"], settings["clip"], sampled, accountant=accountant)


def aggregation_of(settings: Mapping[str, Any]) -> Aggregation:
    """Return the aggregation of this project that is equivalent to the strategy."""
    if settings["privacy"] != "none":
        own = (settings["clip"], settings["noise_multiplier"], settings["delta"])
        return EqualDp(*own, clips="server" if settings["privacy"] == "server_side_fixed" else "client")
    if settings["strategy"] not in MEANS:
        return Robust(settings["strategy"], settings["share"], settings["malicious"])
    return Plain()


def protocol_of(settings: Mapping[str, Any], proximal: float) -> Protocol:
    """Return the protocol of the federation; `proximal` overrides the setting, since the server sends it."""
    names = ("rounds", "local_epochs", "batch_size", "optimizer", "learning_rate", "momentum")
    own = {name: settings[name] for name in names}
    return Protocol(describe_aggregation(aggregation_of(settings)), proximal=proximal, **own)
