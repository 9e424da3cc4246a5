"""Compares the epsilon of the accountant with the lower bound that the attack has shown, and audits it."""

from __future__ import annotations

import numpy as np

from veilbench.attack_methods.membership_report import RATES, halve
from veilbench.bench.findings import Findings, Metric
from veilbench.families.mail.attacks.canaries.audit import report_audit
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.protocol import Protocol
from veilbench.metrics.audit import epsilon_at_least


def report_privacy(
    findings: Findings, protocol: Protocol, data: Mails, scores: np.ndarray, canaries: int, rng: np.random.Generator
) -> None:
    """Add the accountant's epsilon for one mail, what it allows, and what was shown; nothing without such privacy.

    Args:
        findings: findings that the metrics and notes are added to.
        protocol: public settings of the target's federation.
        data: prepared mails, dealt to the clients.
        scores: the attack's scores, shape (2 * n,), members first.
        canaries: number of canaries of the audit, mails or clients.
        rng: source of the canaries, and of the training with them.
    """
    aggregation, sizes = protocol.build_aggregation(), np.bincount(data.clients).tolist()
    epsilon = aggregation.example_epsilon(protocol.rounds, protocol.local_epochs, protocol.batch_size, sizes)
    if epsilon is None:
        return
    delta = aggregation.delta
    findings.metrics["epsilon"] = Metric.exact(epsilon)
    findings.metrics["epsilon_shown_at_least"] = epsilon_at_least(*halve(scores), delta, rng)
    report_audit(findings, protocol, data, canaries, rng)
    for words, rate in RATES.items():
        allowed = 1.0 if epsilon > 700 else min(1.0, float(np.exp(epsilon)) * rate + delta)
        findings.metrics[f"tpr_allowed_at_{words}_fpr"] = Metric.exact(allowed, unit="share")
    findings.notes.append(f"Epsilon is for one mail, all {protocol.rounds} rounds, delta {delta:g}, by the accountant.")
