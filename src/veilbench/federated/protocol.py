"""What everybody in a federation knows of it: how clients train, and how their updates are averaged."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from veilbench.bench.experiment import build_as
from veilbench.bench.limits import Count, LearningRate, Momentum, NotNegative, Steps
from veilbench.federated.aggregations.base import Aggregation


@dataclass(frozen=True)
class Protocol:
    """The public settings of a federation, which an attacker has by Kerckhoffs' principle.

    Attributes:
        aggregation: its configuration, with a `_target_`.
        rounds: of the federation.
        local_epochs: of a client in a round.
        batch_size: mails of one step.
        proximal: mu of FedProx.
        optimizer: of the clients.
        learning_rate: the optimizer's.
        momentum: of `sgd`.
        mails: a client has no more in a round; None for all that it has.
        words: a mail has no more; None for all that it has.
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
        """Plain types; `Protocol(**settings)` is the inverse."""
        return asdict(self)

    def build_aggregation(self) -> Aggregation:
        """Construct the aggregation.

        Raises:
            UserError: the protocol comes out of a file, and describes something else there.
        """
        return build_as(Aggregation, dict(self.aggregation), "protocol.aggregation")


def described(aggregation: Aggregation) -> dict[str, Any]:
    """An aggregation's configuration: its class, and the arguments that its constructor has kept by their names."""
    kind = type(aggregation)
    arguments = {name: getattr(aggregation, name) for name in inspect.signature(kind).parameters}
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **arguments}
