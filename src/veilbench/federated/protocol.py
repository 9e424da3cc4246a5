"""Public settings of a federation: how clients train, and how their updates are averaged."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal

from veilbench.bench.experiment import build_as
from veilbench.bench.limits import Count, LearningRate, Momentum, NotNegative, Steps
from veilbench.federated.aggregations.base import Aggregation


@dataclass(frozen=True)
class Protocol:
    """Public settings of a federation, which the attacker knows (Kerckhoffs's principle).

    Attributes:
        aggregation: configuration of the aggregation: its class as `_target_`, and the constructor's arguments.
        rounds: number of rounds of local training and averaging.
        local_epochs: epochs that each client trains per round.
        batch_size: mails per optimizer step.
        proximal: mu of FedProx (Li et al. 2020); 0 is federated averaging.
        optimizer: the clients' local optimizer; its state is reset in every round.
        learning_rate: learning rate of the local optimizer.
        momentum: momentum of `sgd`; `adam` ignores it.
        mails: maximum number of mails per client and round; None uses all.
        words: maximum number of words per mail; None uses all.
    """

    aggregation: Mapping[str, Any]
    rounds: Steps = 3
    local_epochs: Steps = 1
    batch_size: Count = 128
    proximal: NotNegative = 0.0
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: LearningRate = 0.01
    momentum: Momentum = 0.0
    mails: Count | None = None
    words: Count | None = None

    def settings(self) -> dict[str, Any]:
        """Return the settings in plain types; `Protocol(**settings)` is the inverse."""
        return asdict(self)

    def build_aggregation(self) -> Aggregation:
        """Construct the aggregation from its configuration.

        Raises:
            UserError: the configuration, read from a file, does not describe an aggregation.
        """
        return build_as(Aggregation, dict(self.aggregation), "protocol.aggregation")


def describe_aggregation(aggregation: Aggregation) -> dict[str, Any]:
    """Return the configuration of an aggregation: its class as `_target_`, and its constructor's arguments.

    The arguments are read from attributes of the same names; objects among them are described likewise.
    """
    return _describe_object(aggregation)


def _describe_object(made: Any) -> dict[str, Any]:
    kind = type(made)
    arguments = {name: _describe_argument(getattr(made, name)) for name in inspect.signature(kind).parameters}
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **arguments}


def _describe_argument(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_describe_argument(each) for each in value]
    return _describe_object(value) if isinstance(value, Aggregation) or is_dataclass(value) else value
