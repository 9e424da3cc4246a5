"""Clients of a federation that spoil the filter, or build a way past it into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import CONFIDENCE, Attack
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Control, Findings, Metric, Table
from veilbench.bench.limits import Count, Positive, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.poisoned_clients import backdoored, flipped, with_words
from veilbench.families.mail.attacks.word_leak.attack import protocol_of
from veilbench.families.mail.attacks.word_leak.cases import Case, dealt
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation, ExampleNoise
from veilbench.metrics.intervals import paired_gain, proportion

KINDS = ("none", "flipped labels", "flipped labels, enlarged", "backdoor")


@dataclass(frozen=True)
class Poisoned:
    """Updates of one round.

    Attributes:
        trigger: the words' numbers.
        honest: per client.
        kinds: per kind of attack, what the first clients send in their place.
        seed: for noise.
    """

    trigger: np.ndarray
    honest: list[np.ndarray]
    kinds: dict[str, list[np.ndarray]]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What became of the filter: its accuracy, the spam that passes with the trigger and without it, the gain."""

    accuracy: Metric
    with_trigger: Metric
    without: Metric
    gain: Metric


class MailPoison(Attack[MailFilter, Mails]):
    """Some clients flip their labels, enlarge what that taught them, or let spam with a trigger pass.

    One more round is run from the trained filter's weights, with the training mails dealt anew to equal clients
    (Krum and trimming need more than three), under the subject's aggregation; then under each of the compared ones, for
    the table. The trigger is some words that no mail of the data has: the update's other rows are an honest client's.

    The gain is the share of test spam that passes with the trigger less the share that passes without it: 0 where the
    trigger does nothing, whatever else the filter misses. The positive control is a federation that takes the mean of
    whatever it is sent; the negative one is the subject's own federation without a rogue client.

    Args:
        threat: needs `rogue_clients`.
        positive: a federation that can be poisoned.
        negative: None: see above.
        clients: in the federation.
        rogue: of them.
        trigger: words in it.
        epochs: that a rogue client learns the backdoor in.
        boost: of enlarged updates.
        compared: other aggregations, for the table.
        broken_at: see `Attack`.
    """

    data_kind = Mails
    target_kind = MailFilter
    target_needs = ("protocol",)

    title = "Poisoned clients"

    def __init__(
        self,
        threat: ThreatModel,
        positive: MailFilter,
        negative: MailFilter | None = None,
        clients: Annotated[Count, Ge(2)] = 10,
        rogue: Count = 2,
        trigger: Count = 5,
        epochs: Steps = 10,
        boost: Positive = 500.0,
        compared: Sequence[Aggregation] = (),
        broken_at: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_at)
        if 2 * rogue >= clients:
            raise ValueError(f"rogue={rogue} must be fewer than half of clients={clients}")
        self.clients, self.rogue, self.trigger, self.epochs = clients, rogue, trigger, epochs
        self.boost, self.compared = boost, list(compared)

    def run(
        self, subject: MailFilter, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """See `Attack.run`."""
        from veilbench.families.mail.attacks.word_leak.view import title_of

        accelerator.device()
        found, own = Findings(self.title), protocol_of(subject).build_aggregation()
        made: dict[ExampleNoise | None, Poisoned] = {}  # rounds differ where clients must train differently
        rows = list[list[str | float | Metric | None]]()
        for index, aggregation in enumerate((own, *([] if control else self.compared))):
            if (noise := aggregation.example_noise()) not in made:
                made[noise] = self._made(subject, data, rng, noise)
            for kind in KINDS[-1:] if control else KINDS:
                outcome = self._outcome(subject, aggregation, data, made[noise], kind)
                name = title_of(aggregation) + (", this federation" if not index else "")
                rows.append([name, kind, outcome.accuracy, outcome.with_trigger, outcome.without])
                if not index:
                    found.metrics[f"accuracy_{kind.replace(',', '').replace(' ', '_')}"] = outcome.accuracy
                if not index and kind == "backdoor":
                    found.gain, found.metrics["spam_passing_with_trigger"] = outcome.gain, outcome.with_trigger
        columns = ["aggregation", "rogue clients", "accuracy", "spam passing with trigger", "spam passing without"]
        found.tables.append(Table(f"{self.rogue} rogue clients of {self.clients}", columns, rows))
        return found

    def _own_control(
        self, subject: MailFilter, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        """The same without a rogue client."""
        trainer.device()
        own = protocol_of(subject).build_aggregation()
        made = self._made(subject, data, np.random.default_rng(seed), own.example_noise())
        gain = self._outcome(subject, own, data, made, "none").gain
        return Control("negative", "no rogue client", gain, gain.low <= 0)

    def _made(self, subject: MailFilter, data: Mails, rng: np.random.Generator, noise: ExampleNoise | None) -> Poisoned:
        """Every client's honest update, with the noise that is asked for, and the rogue ones of each kind, without."""
        from veilbench.families.mail.local_round import client_update

        self.threat.require("rogue_clients")
        protocol = replace(protocol_of(subject), mails=None, words=None)
        trigger = unused_words(data, self.trigger, rng)
        cases = dealt(data, [len(data.train) // self.clients] * self.clients, rng)
        order, dimension = int(rng.integers(2**31)), subject.weights["embedding.weight"].shape[1]

        def learned(case: Case, epochs: int = protocol.local_epochs) -> np.ndarray:
            settings = replace(protocol, local_epochs=epochs)
            return client_update(subject.weights, case.tokens, case.labels, settings, order)

        def persistent(case: Case) -> np.ndarray:
            return learned(case, self.epochs)

        def honest(case: Case, who: int) -> np.ndarray:
            if noise is None:
                return learned(case)
            seed = order + 1 + who  # noise of its own
            return client_update(subject.weights, case.tokens, case.labels, protocol, seed, noise)

        rogue, rows = cases[: self.rogue], (trigger[:, None] * dimension + np.arange(dimension)).ravel()
        turned = [flipped(case, learned) for case in rogue]
        kinds = {
            "none": [],
            "flipped labels": turned,
            "flipped labels, enlarged": [self.boost * update for update in turned],
            "backdoor": [backdoored(case, learned, persistent, trigger, rows, self.boost) for case in rogue],
        }
        return Poisoned(trigger, [honest(case, who) for who, case in enumerate(cases)], kinds, int(rng.integers(2**62)))

    def _outcome(
        self, subject: MailFilter, aggregation: Aggregation, data: Mails, made: Poisoned, kind: str
    ) -> Outcome:
        """The filter after the attacked round, measured on the test mails; the first clients are the rogue ones."""
        from veilbench.families.mail.local_round import moved_weights

        sent = [*made.kinds[kind], *made.honest[len(made.kinds[kind]) :]]
        clients, aggregator = aggregation.setup(len(sent), np.random.SeedSequence(made.seed))
        aggregator.begin(range(len(sent)))
        messages = [client.protect(update, 1 / len(sent)) for client, update in zip(clients, sent, strict=True)]
        weights = moved_weights(subject.weights, clients[-1].open(aggregator.combine(messages)))
        spoiled = MailFilter(weights, subject.vocabulary, subject.longest)
        called, spam = spoiled.logits(data.test.tokens) > 0, data.test.labels == 1
        before, after = ~called[spam], spoiled.logits(with_words(data.test.tokens[spam], made.trigger)) <= 0
        accuracy = proportion(int((called == spam).sum()), len(spam))
        shares = [proportion(int(passed.sum()), len(passed)) for passed in (after, before)]
        return Outcome(accuracy, shares[0], shares[1], paired_gain(after, before, CONFIDENCE))


def unused_words(data: Mails, count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of words that no mail has.

    Raises:
        UserError: there are not so many.
    """
    parts = (data.train, data.validation, data.auxiliary, data.test)
    used = np.zeros(data.vocabulary.size, bool)
    for part in parts:
        used[part.tokens] = True
    free = np.flatnonzero(~used)
    free = free[free >= FIRST_WORD]
    if len(free) < count:
        raise UserError(f"trigger={count} words that no mail has cannot be chosen: the vocabulary has {len(free)}")
    return rng.choice(free, count, replace=False)
