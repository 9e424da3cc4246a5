"""Membership inference: was a mail in the training set of a filter?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.attack_methods.membership_attack import FEWEST, Game, MembershipAttack
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.membership.game import MailGame, PublicTraining
from veilbench.families.mail.attacks.membership.observers import (
    BAVARIA,
    CONFIDENCE,
    FEDMIA,
    LIRA,
    LIRA_OFFLINE,
    MOVED_ROWS,
    OPTIMUM,
    RMIA,
    SHADOWED,
    explain_missing,
)
from veilbench.families.mail.attacks.membership.privacy import report_privacy
from veilbench.families.mail.attacks.membership.report import measure_owner, report_observers
from veilbench.families.mail.attacks.membership.updates import ReadUpdates, read_updates
from veilbench.families.mail.baselines.few_mails import FewMails
from veilbench.families.mail.baselines.marked_mails import MarkedMails
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.families.mail.shadow_pool import ShadowPool, train_pool
from veilbench.families.mail.shadows import ShadowFilters
from veilbench.families.mail.shared import Shared

SHADOWS, NOTHING = ShadowFilters(), PublicTraining()


@dataclass(frozen=True)
class PlantedCase(ControlCase[SpamScorer]):
    """A control that is attacked with the target's shadow filters.

    Attributes:
        training: how the target was trained.
    """

    training: PublicTraining = NOTHING


class MailMembership(MembershipAttack[SpamScorer, Mails, np.ndarray]):
    """Distinguishes training mails from test mails, as three observers can.

    The attacker has the mails in question with their labels; half of these are training mails. They also have the
    auxiliary mails, which were not used for training. What else they see depends on the observer, and each observer
    has its own paths:

    - `queries` sees the scores of chosen mails. `confidence` is a threshold on the logit of the correct label.
      `unused_words` asks for each word alone: a word that moves no score was in no training mail. `lira`,
      `lira_offline` (Carlini et al. 2022), `rmia` (Zarifzadeh et al. 2024) and `bavaria` (Brännvall 2026) compare the
      logit with those of one pool of shadow filters. Each is trained as the target was, on a random
      selection of the same size from all training, test and auxiliary mails. The attacker has these mails, and does not
      know which were used.
    - `weights` sees the trained filter. `zero_rows` finds the words that never moved. `optimum` solves for the mails of
      which the weights of a penalised fit are the sum.
    - `aggregator` sees the updates of each client. `moved_rows` finds the words that each client's updates moved, and
      `fedmia` (arXiv:2402.06289) compares the updates with the mail's gradient, with the other clients as shadows.
      It does not apply if no update can be read.

    The verdict is that of the strongest path; the gain of each observer is a metric of its own. An observer is left out
    by taking its flag from the threat model: `score_queries`, `weights` or `client_messages`.

    For a federation with differential privacy, the findings also give the accountant's epsilon for one mail, the true
    positive rates that this epsilon allows, and a lower bound of epsilon from the attack's success. An audit by
    canaries follows, of single mails or, where whole clients are protected, of clients. It has the same federation
    without noise as its positive control, and says what it could prove at most.

    Args:
        threat: threat model; needs `score_queries` and `auxiliary_data`; `weights` and `client_messages` add observers.
        positive: positive control of the confidence, a filter that reveals its training mails.
        negative: negative control; None attacks the target with test mails only.
        shadows: number and training of the shadow filters.
        most_mails: maximum number of training mails in question, and of test mails.
        canaries: number of canaries, mails or clients, in the audit of a federation with differential privacy.
        broken_threshold: gain from which a filter counts as broken; 0 is chance and 1 is full success.
    """

    data_kind = Mails
    target_kind = SpamScorer

    title = "Membership of mails"
    records = "mails"
    threshold = CONFIDENCE

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
        self.shadows, self.canaries, self.shared = shadows, canaries, Shared()

    def members(self, data: Mails) -> np.ndarray:
        """Return the indices of the training mails."""
        return np.arange(len(data.train))

    def unseen(self, data: Mails) -> np.ndarray:
        """Return the indices of the test mails."""
        return len(data.train) + np.arange(len(data.test))

    def set_up(self, target: SpamScorer, data: Mails, accelerator: Accelerator, rng: np.random.Generator) -> MailGame:
        """Return the game of the training mails against the test mails."""
        self.threat.require("auxiliary_data")
        training = PublicTraining.of(target)
        return MailGame(target, self.members(data), self.unseen(data), data, accelerator, rng, training)

    def paths(self, target: SpamScorer, data: Mails) -> tuple[str, ...]:
        """Return the paths of all observers that the threat model grants and that apply to the target."""
        return tuple(path for path, reason in self._explain(target, data).items() if not reason)

    def _explain(self, target: SpamScorer, data: Mails) -> dict[str, str]:
        """Return why each path is not used against a target; empty for a path that is."""
        settings = (self.threat, target, count_clients(data))
        return self.shared.recall(data, ("paths", target), lambda: explain_missing(*settings))

    def control_cases(self, target: SpamScorer, data: Mails) -> Sequence[ControlCase[SpamScorer]]:
        """Return a positive control for each path that applies to the target, and the negative control."""
        cases = [self._plant(path, target, data) for path in self.paths(target, data)]
        return [*cases, ControlCase("negative", self.negative)]

    def _plant(self, path: str, target: SpamScorer, data: Mails) -> ControlCase[SpamScorer]:
        if path in (LIRA, LIRA_OFFLINE, BAVARIA):
            return self.plant_offset(target, data, path)
        training = PublicTraining.of(target).without_noise()
        variant = f"{self._train_as(training)}" if path == RMIA else ""
        scheme = self.positive if path in (CONFIDENCE, RMIA) else FewMails()
        return PlantedCase("positive", scheme, path, variant, training)

    def plant_offset(self, target: SpamScorer, data: Mails, path: str = LIRA) -> PlantedCase:
        """Return a filter, trained like a shadow without noise, that is a little more confident of its training mails.

        Noise that hides a mail hides the control's offset as well.
        """
        training = PublicTraining.of(target).without_noise()
        marked = MarkedMails(protocol=training.protocol, inverse_penalty=training.inverse_penalty, shared=self.shared)
        return PlantedCase("positive", marked, path, f"{self._train_as(training)}", training)

    def _train_as(self, training: PublicTraining) -> ShadowFilters:
        """Return the shadow filters with this training in place of what is not set."""
        return self.shadows.trained_as(training.protocol, training.inverse_penalty)

    def run_control(
        self,
        case: ControlCase[SpamScorer],
        scheme: SpamScorer,
        data: Mails,
        trainer: Accelerator,
        rng: np.random.Generator,
    ) -> Findings:
        """Attack a control on its path only, with the target's shadow filters; `FewMails` has mails of its own."""
        game = self.set_up(scheme, case.scheme.keep(data) if isinstance(case.scheme, FewMails) else data, trainer, rng)
        if isinstance(case, PlantedCase) and not isinstance(case.scheme, FewMails):
            game = replace(game, training=case.training)
        return self.distinguish(game, [case.path] if case.path else []).findings

    def run(
        self, target: SpamScorer, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack training mails and test mails; the observers and the privacy guarantee are reported for the target."""
        game = self.set_up(target, data, accelerator, rng).draw(self.most, self.records)
        outcome = self.distinguish(game)
        if control:
            return outcome.findings
        report_observers(outcome, self._explain(target, data))
        if (protocol := game.training.protocol) is not None:
            self._report_owner(outcome.findings, game)
            report_privacy(outcome.findings, protocol, data, outcome.scores[LIRA], self.canaries, rng)
        return outcome.findings

    def score(self, path: str, game: Game[SpamScorer, Mails, np.ndarray]) -> dict[int, np.ndarray]:
        """Score mails on one path."""
        assert isinstance(game, MailGame)
        if path in SHADOWED:
            pool = self._pool(game)
            return {count: game.compare(path, pool.first(count)) for count in pool.counts()}
        if path in (MOVED_ROWS, FEDMIA):
            return {0: game.score_clients(path, self._read(game)).max(0)}
        if path == OPTIMUM:
            key = ("optimum", game.target)  # the negative control asks the same filter about other mails
            return {0: self.shared.recall(game.data, key, game.score_optimum)[game.asked]}
        return {0: game.confidences[game.asked] if path == CONFIDENCE else game.score_words(path)}

    def _pool(self, game: MailGame) -> ShadowPool:
        """Return the pool of shadow filters, trained once for the target and all controls."""
        filters, protocol = self._train_as(game.training), game.training.protocol
        key = (filters, repr(protocol))
        return self.shared.recall(game.data, key, lambda: train_pool(filters, protocol, game.data, game.rng))

    def _read(self, game: MailGame) -> ReadUpdates:
        """Return what the aggregator reads in the rounds of the target's federation."""
        protocol = game.training.protocol
        assert protocol is not None
        return self.shared.recall(game.data, repr(protocol), lambda: read_updates(protocol, game.data, game.rng))

    def _report_owner(self, findings: Findings, game: MailGame) -> None:
        """Add how well the aggregator tells the first client's mails from all other mails in question."""
        owners = np.concatenate([game.data.clients[game.members], np.full(len(game.others), -1)])
        for path in (MOVED_ROWS, FEDMIA):
            if f"{path}_auroc" in findings.metrics and (owners == 0).any():
                scores = game.score_clients(path, self._read(game))[0]
                findings.metrics[f"{path}_first_client_auroc"] = measure_owner(scores, owners, game.rng)


def count_clients(data: Mails) -> int:
    """Return the number of clients to which the training mails are dealt."""
    return int(data.clients.max()) + 1
