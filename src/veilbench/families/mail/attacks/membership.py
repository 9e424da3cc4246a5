"""Membership inference: was a mail in the training set of a filter?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.attack_methods.membership_attack import FEWEST, LIRA, Game, MembershipAttack
from veilbench.attack_methods.membership_report import RATES
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Findings, Metric
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.canaries import audit
from veilbench.families.mail.baselines.marked_mails import MarkedMails
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.families.mail.shadows import ShadowFilters
from veilbench.federated.protocol import Protocol
from veilbench.metrics.audit import epsilon_at_least

SHADOWS = ShadowFilters()


class MailMembership(MembershipAttack[SpamScorer, Mails, MailPart]):
    """Distinguishes training mails from test mails by the filter's confidence in their labels.

    The attacker has the mails in question with their labels; half of these are training mails. They also have the
    auxiliary mails, which were not used for training, and can query the filter's scores. There are two paths. The
    first is a threshold on the logit of the correct label. The second is online LiRA (Carlini et al. 2022), which
    compares this logit with those of shadow filters, each trained on a random half of all the attacker's mails.

    For a federation with differential privacy, the findings also give the accountant's epsilon for one mail, the true
    positive rates that this epsilon allows, and lower bounds of epsilon: from the attack's success, and from an audit
    by canaries, which has the same federation without noise as its positive control. The findings also say
    what the audit could show at most: it can neither confirm nor refute a larger epsilon.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`.
        positive: positive control of the threshold, a filter that reveals its training mails.
        negative: negative control; None attacks the target with test mails only.
        shadows: number and training of the shadow filters.
        most_mails: maximum number of training mails in question, and of test mails.
        canaries: number of canary mails in the audit of a federation with differential privacy.
        broken_threshold: gain from which a filter counts as broken; 0 is chance and 1 is full success.
    """

    data_kind = Mails
    target_kind = SpamScorer

    title = "Membership of mails"
    records = "mails"
    threshold = "confidence"

    def __init__(
        self,
        threat: ThreatModel,
        positive: SpamScorer,
        negative: SpamScorer | None = None,
        shadows: ShadowFilters = SHADOWS,
        most_mails: Annotated[Count, Ge(FEWEST)] = 1_000,
        canaries: Annotated[Count, Ge(3)] = 600,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, shadows.count, most_mails, broken_threshold=broken_threshold)
        self.shadows, self.canaries = shadows, canaries

    def members(self, data: Mails) -> MailPart:
        """Return the training mails."""
        return data.train

    def unseen(self, data: Mails) -> MailPart:
        """Return the test mails."""
        return data.test

    def paths(self, target: SpamScorer) -> tuple[str, ...]:
        """Return both paths: every filter has a logit."""
        return self.threshold, LIRA

    def plant_offset(self, target: SpamScorer, data: Mails) -> ControlCase[SpamScorer]:
        """Return a filter, trained like a shadow, that is a little more confident of its training mails."""
        filters = ShadowFilters().trained_as(_protocol_of(target))
        marked = MarkedMails(self.count_shadow_records(data, len(data.auxiliary)), filters=filters)
        return ControlCase("positive", marked, LIRA, f"{filters}")

    def run(
        self, target: SpamScorer, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack training mails and test mails; the privacy guarantee is reported too, except for controls."""
        findings, scores = self.distinguish(self.set_up(target, data, accelerator, rng))
        if not control:
            self._report_privacy(findings, target, data, scores[LIRA], rng)
        return findings

    def score(self, path: str, game: Game[SpamScorer, Mails, MailPart]) -> dict[int, np.ndarray]:
        """Score mails by the logit of their label, or by LiRA."""
        self.threat.require("auxiliary_data")
        n, pool = 2 * len(game.members), MailPart.join(game.members, game.others, game.data.auxiliary)
        signs = 2 * pool.labels[:n] - 1
        confidence: np.ndarray = game.target.logits(pool.tokens[:n]) * signs
        if path == self.threshold:
            return {0: confidence}
        inside, filters = self.draw_shadows(n, len(pool), game.rng), self.shadows.trained_as(_protocol_of(game.target))
        logits = filters.logits(pool.tokens, pool.labels, inside, n, game.rng)
        return self.likelihood_ratio(-confidence, -logits * signs, inside[:, :n])  # like losses: low if confident

    def _report_privacy(
        self,
        findings: Findings,
        trained: SpamScorer,
        data: Mails,
        scores: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        protocol = _protocol_of(trained)
        if protocol is None:
            return
        aggregation, sizes = protocol.build_aggregation(), np.bincount(data.clients).tolist()
        epsilon = aggregation.example_epsilon(protocol.rounds, protocol.local_epochs, protocol.batch_size, sizes)
        if epsilon is None:
            return
        delta = aggregation.delta
        findings.metrics["epsilon"] = Metric.exact(epsilon)
        members, others = np.split(scores, 2)
        findings.metrics["epsilon_shown_at_least"] = epsilon_at_least(members, others, delta, rng)
        findings.metrics |= (audited := audit(protocol, data, self.canaries, delta, rng))
        if (shown := audited["epsilon_shown_by_canaries"].value) > epsilon:
            findings.notes.append(f"The audit contradicts the accountant: epsilon is at least {shown:.2f}.")
        for words, rate in RATES.items():
            allowed = 1.0 if epsilon > 700 else min(1.0, float(np.exp(epsilon)) * rate + delta)
            findings.metrics[f"tpr_allowed_at_{words}_fpr"] = Metric.exact(allowed, unit="share")
        findings.notes.append(
            f"Epsilon is for one mail, all {protocol.rounds} rounds, delta {delta:g}, by the accountant."
        )


def _protocol_of(trained: SpamScorer) -> Protocol | None:
    return trained.protocol if isinstance(trained, MailFilter) else None
