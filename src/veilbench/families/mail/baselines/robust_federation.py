"""An accurate filter in a federation that combines updates by a robust rule."""

from __future__ import annotations

from typing import Any

from veilbench.bench.limits import Natural
from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.federated.aggregations.robust import Robust, Rule
from veilbench.federated.protocol import Protocol, describe_aggregation


class RobustFederation(LogisticFilter):
    """Logistic regression that clients of a federation continue to train with Adam and a robust rule.

    This is the positive control of malicious clients that are known to pass the rule.

    Args:
        rule: rule that replaces the mean, such as `krum`.
        malicious: number of malicious clients that the rule assumes.
    """

    def __init__(self, rule: Rule = "krum", malicious: Natural = 0) -> None:
        super().__init__()
        self.rule, self.malicious = rule, malicious

    def protocol(self) -> Protocol:
        """Return a protocol with the rule and otherwise default settings."""
        return Protocol(describe_aggregation(Robust(self.rule, malicious=self.malicious)))

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"rule": self.rule, "malicious": self.malicious}
