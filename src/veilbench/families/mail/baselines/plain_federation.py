"""An accurate filter in a federation that averages updates without protection."""

from __future__ import annotations

from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation


class PlainFederation(LogisticFilter):
    """Logistic regression that clients of a federation continue to train with Adam and plain averaging.

    This is the positive control of poisoning attacks.
    """

    def protocol(self) -> Protocol:
        """Return a protocol with plain averaging and otherwise default settings."""
        return Protocol(describe_aggregation(Plain()))
