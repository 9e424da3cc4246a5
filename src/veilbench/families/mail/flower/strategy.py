"""Flower's own strategies by name, alone or within its wrappers for differential privacy; and what they amount to."""

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
from veilbench.federated.protocol import Protocol, described

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
MEANS = ("fedavg", "fedprox")  # which one client moves by at most clip / clients
WEIGHT = "weight"  # the metric that Flower weighs a client's update by


def strategy_of(settings: Mapping[str, Any]) -> Any:
    """Flower's strategy of that name, in its wrapper for privacy where one is asked for.

    Raises:
        UserError: there is none.
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
    """Why this strategy cannot have this privacy; empty where it can."""
    if privacy == "none" or strategy in MEANS:
        return ""
    allowed = " or ".join(MEANS)
    return f"privacy={privacy} is for strategy={allowed}, not for strategy={strategy}: Flower's noise fits a mean"


def private(strategy: Any, settings: Mapping[str, Any], sampled: int) -> Any:
    """Flower's wrapper with an accountant, which makes it insist on equal weights and on every client's answer."""
    made = getattr(flower("serverapp.strategy"), PRIVACIES[settings["privacy"]])
    accountant = OpacusAccountant(float(settings["delta"]), int(settings["clients"]))
    return made(strategy, settings["noise_multiplier"], settings["clip"], sampled, accountant=accountant)


def aggregation_of(settings: Mapping[str, Any]) -> Aggregation:
    """What the strategy does to updates, as one of our own aggregations."""
    if settings["privacy"] != "none":
        own = (settings["clip"], settings["noise_multiplier"], settings["delta"])
        return EqualDp(*own, clips="server" if settings["privacy"] == "server_side_fixed" else "client")
    if settings["strategy"] not in MEANS:
        return Robust(settings["strategy"], settings["share"], settings["malicious"])
    return Plain()


def protocol_of(settings: Mapping[str, Any], proximal: float) -> Protocol:
    """How clients train."""
    names = ("rounds", "local_epochs", "batch_size", "optimizer", "learning_rate", "momentum")
    own = {name: settings[name] for name in names}
    return Protocol(described(aggregation_of(settings)), proximal=proximal, **own)
