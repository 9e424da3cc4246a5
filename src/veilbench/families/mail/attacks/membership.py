"""Membership inference: was a mail in the training set of a filter?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.attack_methods.membership_report import RATES, report
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Control, Findings, Metric
from veilbench.bench.limits import Count, LearningRate, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.shadows import shadow_logits
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.metrics import gaussian_ratio
from veilbench.metrics.audit import epsilon_at_least

FEWEST = 10


class MailMembership(Attack[SpamScorer, Mails]):
    """Distinguishes training mails from test mails by the filter's confidence in their labels.

    The attacker has the mails in question with their labels, of which an unknown half are training mails; they can
    query the filter's scores; and they have the auxiliary mails, which were not used for training. There are two
    attacks: the logit of the correct label, and online LiRA (Carlini et al. 2022), which compares it with the logits of
    shadow filters, each trained on a random half of all the attacker's mails. The gain is 2 AUROC - 1 of LiRA.

    For a federation with differential privacy, the accountant's epsilon for one mail is reported too, with the true
    positive rate that it allows at each false positive rate, and the empirical epsilon that the attack demonstrates,
    which must be lower.

    The default negative control is the target itself, attacked with two halves of the test mails, none of which it was
    trained on.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`.
        positive: positive control, a filter that reveals its training mails.
        negative: negative control; None attacks the target with test mails only.
        shadows: number of shadow filters; even, since each mail is in half of them.
        epochs: epochs of the shadows' training.
        batch_size: average number of mails per optimizer step of a shadow.
        learning_rate: learning rate of the shadows' training, by Adam.
        most_mails: maximum number of training mails in question, and of test mails.
        broken_threshold: gain from which a filter counts as broken; 0 is chance and 1 is full success.
    """

    data_kind = Mails
    target_kind = SpamScorer

    title = "Membership of mails"

    def __init__(
        self,
        threat: ThreatModel,
        positive: SpamScorer,
        negative: SpamScorer | None = None,
        shadows: Annotated[Count, Ge(4)] = 32,
        epochs: Steps = 3,
        batch_size: Count = 128,
        learning_rate: LearningRate = 0.01,
        most_mails: Annotated[Count, Ge(FEWEST)] = 1_000,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if shadows % 2:
            raise ValueError(f"shadows={shadows} must be even: each mail is in half of them")
        self.shadows, self.epochs, self.batch_size = shadows, epochs, batch_size
        self.learning_rate, self.most_mails = learning_rate, most_mails

    def run(
        self, trained: SpamScorer, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack training mails and test mails; report the privacy guarantee too, except for controls."""
        members, others = np.arange(len(data.train)), np.arange(len(data.test))
        found, scores = self._tell_apart(trained, [data.train, data.test], [members, others], data.auxiliary, rng)
        if not control:
            self._privacy(found, trained, np.bincount(data.clients).tolist(), scores, rng)
        return found

    def _own_control(
        self, trained: SpamScorer, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        """Attack two halves of the test mails."""
        rng = np.random.default_rng(seed)
        halves = np.array_split(rng.permutation(len(data.test)), 2)
        gain = self._tell_apart(trained, [data.test, data.test], halves, data.auxiliary, rng)[0].gain
        if gain is None:
            raise UserError(f"the attack {self.title} reported no gain on its negative control")
        return Control("negative", f"{type(trained).__name__}, mails never seen", gain, gain.low <= 0)

    def _tell_apart(
        self,
        trained: SpamScorer,
        parts: Sequence[MailPart],
        places: Sequence[np.ndarray],
        auxiliary: MailPart,
        rng: np.random.Generator,
    ) -> tuple[Findings, tuple[np.ndarray, np.ndarray]]:
        """Attack equal numbers of members and non-members; return the findings, and LiRA's scores of both.

        Raises:
            UserError: the threat model is insufficient, or there are too few mails.
        """
        self.threat.require("score_queries", "auxiliary_data")
        n = min(*map(len, places), self.most_mails)
        if n < FEWEST:
            raise UserError(f"membership needs {FEWEST} training mails and as many test mails, got {n}")
        picked = [rng.permutation(at)[:n] for at in places]
        asked = [(part.tokens[at], part.labels[at]) for part, at in zip(parts, picked, strict=True)]
        tokens = np.concatenate([*(mails for mails, _ in asked), auxiliary.tokens])
        labels = np.concatenate([*(right for _, right in asked), auxiliary.labels])
        sure = trained.logits(tokens[: 2 * n]) * (2 * labels[: 2 * n] - 1)
        scores = {"confidence": sure, "lira": self._lira(sure, tokens, labels, 2 * n, rng)}
        found = Findings(self.title)
        for name, score in scores.items():
            report(found, name, score[:n], score[n:], rng)
        return found, (scores["lira"][:n], scores["lira"][n:])

    def _lira(
        self, sure: np.ndarray, tokens: np.ndarray, labels: np.ndarray, asked: int, rng: np.random.Generator
    ) -> np.ndarray:
        inside = gaussian_ratio.halves(self.shadows, len(tokens), rng)
        settings = (self.epochs, self.batch_size, self.learning_rate)
        logits = shadow_logits(tokens, labels, inside, asked, *settings, rng)
        shadows = -logits * (2 * labels[:asked] - 1)  # like losses: low if the filter is confident
        target = -sure - np.median(-sure) + np.median(shadows)
        return gaussian_ratio.online(target, shadows, inside[:, :asked])

    def _privacy(
        self,
        found: Findings,
        trained: SpamScorer,
        sizes: list[int],
        scores: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> None:
        protocol = trained.protocol if isinstance(trained, MailFilter) else None
        if protocol is None:
            return
        aggregation = protocol.build_aggregation()
        epsilon = aggregation.example_epsilon(protocol.rounds, protocol.local_epochs, protocol.batch_size, sizes)
        if epsilon is None:
            return
        delta = aggregation.delta
        found.metrics["epsilon"] = Metric.exact(epsilon)
        found.metrics["epsilon_shown_at_least"] = epsilon_at_least(*scores, delta, rng)
        for words, rate in RATES.items():
            allowed = 1.0 if epsilon > 700 else min(1.0, float(np.exp(epsilon)) * rate + delta)
            found.metrics[f"tpr_allowed_at_{words}_fpr"] = Metric.exact(allowed, unit="share")
        found.notes.append(
            f"Epsilon is for one mail, all {protocol.rounds} rounds, delta {delta:g}, by the accountant."
        )
