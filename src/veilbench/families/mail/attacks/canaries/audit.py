"""Audit of a federation's differential privacy: what is claimed, and what canaries show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.bench.findings import Findings, Metric, Table
from veilbench.families.mail.attacks.canaries.clients import score_clients
from veilbench.families.mail.attacks.canaries.mails import score_mails
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.aggregations.releases import Releases
from veilbench.federated.protocol import Protocol

COLUMNS = {
    "epsilon_claimed": "claimed",
    "epsilon_prv": "claimed, PRV",
    "epsilon_audited": "audited",
    "epsilon_audited_without_noise": "audited without noise",
    "epsilon_proved": "proved",
    "epsilon_provable": "provable",
}


@dataclass(frozen=True)
class Claim:
    """A federation's claim of differential privacy.

    Attributes:
        unit: what one record is: a whole client, where a federation protects clients, otherwise a mail.
        releases: noisy releases on which the privacy is spent.
        delta: delta of (epsilon, delta)-differential privacy.
    """

    unit: Literal["client", "mail"]
    releases: Releases
    delta: float

    @classmethod
    def of(cls, protocol: Protocol, data: Mails) -> Claim | None:
        """Return the claim of a federation with these clients; None without differential privacy."""
        aggregation, sizes = protocol.build_aggregation(), np.bincount(data.clients).tolist()
        if (releases := aggregation.client_releases(protocol.rounds)) is not None:
            return cls("client", releases, aggregation.delta)
        steps = (protocol.rounds, protocol.local_epochs, protocol.batch_size)
        releases = aggregation.example_releases(*steps, sizes)
        return None if releases is None else cls("mail", releases, aggregation.delta)

    def audit(self, protocol: Protocol, data: Mails, canaries: int, rng: np.random.Generator) -> dict[str, Metric]:
        """Return epsilon by the accountants, and as canaries show it, by the names of the metrics.

        Args:
            protocol: settings of the federation.
            data: prepared mails, dealt to the clients.
            canaries: number of canaries, clients or mails, each included by a coin flip.
            rng: source of the canaries, the training and the noise.
        """
        found = {"epsilon_claimed": Metric.exact(self.releases.epsilon(self.delta))}
        if (composed := self.releases.epsilon_prv(self.delta)) is not None:
            found["epsilon_prv"] = Metric.exact(composed)
        score = score_clients if self.unit == "client" else score_mails
        private, plain = score(protocol, data, canaries, rng)
        found["epsilon_audited"] = private.fit(self.delta)
        found["epsilon_audited_without_noise"] = plain.fit(self.delta)
        return found | private.bound(self.delta)


def report_audit(findings: Findings, protocol: Protocol, data: Mails, canaries: int, rng: np.random.Generator) -> None:
    """Audit a federation's claim, and add the metrics, a table of one row and notes; nothing without a claim.

    Args:
        findings: findings that are added to, in place.
        protocol: public settings of the federation.
        data: prepared mails, dealt to the clients.
        canaries: number of canaries of the audit.
        rng: source of the canaries, and of the training with them.
    """
    if (claim := Claim.of(protocol, data)) is None:
        return
    audited = claim.audit(protocol, data, canaries, rng)
    findings.metrics |= audited
    row = [claim.unit, *(audited.get(name) for name in COLUMNS)]
    findings.tables.append(Table("Epsilon, claimed and audited", ["protects one", *COLUMNS.values()], [row]))
    claimed, control = audited["epsilon_claimed"].value, audited["epsilon_audited_without_noise"].low
    shown = max(audited["epsilon_audited"].low, audited["epsilon_proved"].value)
    if shown > claimed:
        findings.notes.append(f"The audit contradicts the accountant: epsilon is at least {shown:.2f}.")
    if control <= claimed:
        reason = f"without noise the canaries show {control:.2f}"
        findings.notes.append(f"The audit cannot contradict an epsilon of {claimed:.2f}: {reason}.")
