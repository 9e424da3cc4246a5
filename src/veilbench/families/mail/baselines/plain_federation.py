"""A good filter in the hands of a federation that takes the mean of whatever it is sent."""

from __future__ import annotations

from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, described


class PlainFederation(LogisticFilter):
    """Logistic regression that clients train on, with Adam and plain averaging. The positive control of poisoning."""

    def protocol(self) -> Protocol:
        """See `LogisticFilter.protocol`."""
        return Protocol(described(Plain()))
