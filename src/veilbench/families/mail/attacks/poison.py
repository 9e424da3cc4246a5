"""Poisoning: malicious clients of a federation degrade the filter or implant a backdoor."""

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
    """Honest and malicious updates of one round.

    Attributes:
        trigger: word numbers of the trigger, shape (words,).
        honest: each client's honest update, shape (size,).
        kinds: for each kind of attack, the updates that replace those of the first clients.
        seed: seed of the aggregation's noise.
    """

    trigger: np.ndarray
    honest: list[np.ndarray]
    kinds: dict[str, list[np.ndarray]]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """The filter after the attacked round, measured on the test mails.

    Attributes:
        accuracy: share of mails classified correctly, without the trigger.
        with_trigger: share of spam that passes with the trigger.
        without: share of spam that passes without the trigger.
        gain: difference of the two shares.
    """

    accuracy: Metric
    with_trigger: Metric
    without: Metric
    gain: Metric


class MailPoison(Attack[MailFilter, Mails]):
    """Malicious clients flip their labels, scale the resulting updates, or implant a backdoor with a trigger.

    One more round is run from the trained filter's weights, under the target's aggregation and, for the table, under
    each of the compared ones. The training mails are redistributed to equal clients, since Krum and trimming need more
    than three. The trigger consists of words that no mail contains; all other rows of a backdoor update are honest.

    The gain is the share of test spam that passes with the trigger minus the share that passes without it: 0 if the
    trigger has no effect, whatever else the filter misses. The positive control is a federation with an unprotected
    mean; the negative one is the target's federation without malicious clients.

    Args:
        threat: threat model; needs `rogue_clients`.
        positive: positive control, a federation that can be poisoned.
        negative: negative control; None runs the target's federation without malicious clients.
        clients: number of clients in the attacked round.
        rogue: number of malicious clients; fewer than half of `clients`.
        trigger: number of words in the trigger.
        epochs: local epochs in which a malicious client learns the backdoor.
        boost: factor by which malicious updates are scaled.
        compared: other aggregations to attack, for the table.
        broken_threshold: gain from which a federation counts as broken; 0 is chance and 1 is full success.
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
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if 2 * rogue >= clients:
            raise ValueError(f"rogue={rogue} must be fewer than half of clients={clients}")
        self.clients, self.rogue, self.trigger, self.epochs = clients, rogue, trigger, epochs
        self.boost, self.compared = boost, list(compared)

    def run(
        self, target: MailFilter, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Run the attacked round for every aggregation and kind of attack; controls only with the backdoor."""
        from veilbench.families.mail.attacks.word_leak.view import title_of

        accelerator.device()
        found, own = Findings(self.title), protocol_of(target).build_aggregation()
        made: dict[ExampleNoise | None, Poisoned] = {}  # one round for each kind of local training
        rows = list[list[str | float | Metric | None]]()
        for index, aggregation in enumerate((own, *([] if control else self.compared))):
            if (noise := aggregation.example_noise()) not in made:
                made[noise] = self._made(target, data, rng, noise)
            for kind in KINDS[-1:] if control else KINDS:
                outcome = self._outcome(target, aggregation, data, made[noise], kind)
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
        self, target: MailFilter, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        """Run the round without malicious clients."""
        trainer.device()
        own = protocol_of(target).build_aggregation()
        made = self._made(target, data, np.random.default_rng(seed), own.example_noise())
        gain = self._outcome(target, own, data, made, "none").gain
        return Control("negative", "no rogue client", gain, gain.low <= 0)

    def _made(self, target: MailFilter, data: Mails, rng: np.random.Generator, noise: ExampleNoise | None) -> Poisoned:
        """Compute all clients' honest updates, with the given noise, and the malicious updates, without noise."""
        from veilbench.families.mail.local_round import client_update

        self.threat.require("rogue_clients")
        protocol = replace(protocol_of(target), mails=None, words=None)
        trigger = unused_words(data, self.trigger, rng)
        cases = dealt(data, [len(data.train) // self.clients] * self.clients, rng)
        order, dimension = int(rng.integers(2**31)), target.weights["embedding.weight"].shape[1]

        def learned(case: Case, epochs: int = protocol.local_epochs) -> np.ndarray:
            settings = replace(protocol, local_epochs=epochs)
            return client_update(target.weights, case.tokens, case.labels, settings, order)

        def persistent(case: Case) -> np.ndarray:
            return learned(case, self.epochs)

        def honest(case: Case, who: int) -> np.ndarray:
            if noise is None:
                return learned(case)
            seed = order + 1 + who  # independent noise for each client
            return client_update(target.weights, case.tokens, case.labels, protocol, seed, noise)

        rogue, rows = cases[: self.rogue], (trigger[:, None] * dimension + np.arange(dimension)).ravel()
        turned = [flipped(case, learned) for case in rogue]
        kinds = {
            "none": [],
            "flipped labels": turned,
            "flipped labels, enlarged": [self.boost * update for update in turned],
            "backdoor": [backdoored(case, learned, persistent, trigger, rows, self.boost) for case in rogue],
        }
        return Poisoned(trigger, [honest(case, who) for who, case in enumerate(cases)], kinds, int(rng.integers(2**62)))

    def _outcome(self, target: MailFilter, aggregation: Aggregation, data: Mails, made: Poisoned, kind: str) -> Outcome:
        """Aggregate the attacked round and measure the resulting filter; the first clients are the malicious ones."""
        from veilbench.families.mail.local_round import moved_weights

        sent = [*made.kinds[kind], *made.honest[len(made.kinds[kind]) :]]
        clients, aggregator = aggregation.setup(len(sent), np.random.SeedSequence(made.seed))
        aggregator.begin(range(len(sent)))
        messages = [client.protect(update, 1 / len(sent)) for client, update in zip(clients, sent, strict=True)]
        weights = moved_weights(target.weights, clients[-1].open(aggregator.combine(messages)))
        spoiled = MailFilter(weights, target.vocabulary, target.longest)
        called, spam = spoiled.logits(data.test.tokens) > 0, data.test.labels == 1
        before, after = ~called[spam], spoiled.logits(with_words(data.test.tokens[spam], made.trigger)) <= 0
        accuracy = proportion(int((called == spam).sum()), len(spam))
        shares = [proportion(int(passed.sum()), len(passed)) for passed in (after, before)]
        return Outcome(accuracy, shares[0], shares[1], paired_gain(after, before, CONFIDENCE))


def unused_words(data: Mails, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw numbers of words that no mail contains.

    Raises:
        UserError: there are fewer than `count` such words.
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
