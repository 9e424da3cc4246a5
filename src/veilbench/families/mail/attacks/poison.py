"""Poisoning: malicious clients of a federation degrade the filter or implant a backdoor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.bench.findings import BudgetCurve, Findings, Metric, Table
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.rogue_clients import RogueClients, flip_labels, prepend_words
from veilbench.families.mail.attacks.word_leak.attack import require_protocol
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, draw_batches
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation, ExampleNoise
from veilbench.metrics.intervals import paired_gain, proportion

ROGUE = RogueClients()
TRUTHFUL = "backdoor with true labels"  # the negative control
KINDS = ("none", "flipped labels", "flipped labels, enlarged", "backdoor")


@dataclass(frozen=True)
class PoisonedRound:
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
        gain: `with_trigger` minus `without`.
    """

    accuracy: Metric
    with_trigger: Metric
    without: Metric
    gain: Metric


class MailPoison(Attack[MailFilter, Mails]):
    """Malicious clients flip their labels, scale up the resulting updates, or implant a backdoor with a trigger.

    One more round is run from the trained filter's weights, under the target's aggregation. The training mails are
    redistributed evenly to `clients` clients, since Krum and trimming need more than three. The trigger consists of
    words that no mail contains; all other rows of a backdoor update are honest. To compare aggregations, run one
    experiment with each; the report has a table of them.

    The gain is the share of test spam that passes with the trigger minus the share that passes without it. It is 0 if
    the trigger has no effect, however much spam the filter misses. The positive control is a federation with an
    unprotected mean. The negative control is the target's federation with the same malicious clients, trigger and
    scale, but with spam taught as spam: the trigger must not help spam to pass.

    Args:
        threat: threat model; needs `rogue_clients`.
        positive: positive control, a federation that can be poisoned.
        negative: negative control; None runs the target's federation with clients that label truthfully.
        clients: number of clients in the attacked round.
        rogue: number and behaviour of the malicious clients; they are fewer than half of `clients`.
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
        rogue: RogueClients = ROGUE,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if 2 * rogue.count >= clients:
            raise ValueError(f"rogue.count={rogue.count} must be fewer than half of clients={clients}")
        self.clients, self.rogue = clients, rogue

    def run(
        self, target: MailFilter, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Run the attacked round for every kind of attack, and for controls only with the backdoor."""
        accelerator.device()
        findings, aggregation = Findings(self.title), require_protocol(target).build_aggregation()
        attacked = self._train(target, data, rng, aggregation.example_noise())
        rows = list[list[str | float | Metric | None]]()
        for kind in KINDS[-1:] if control else KINDS:
            outcome = self._aggregate(target, aggregation, data, attacked.kinds[kind], attacked)
            rows.append([kind, outcome.accuracy, outcome.with_trigger, outcome.without])
            findings.metrics[f"accuracy_{kind.replace(',', '').replace(' ', '_')}"] = outcome.accuracy
        findings.gain = outcome.gain  # the last kind is the backdoor
        findings.metrics["spam_passing_with_trigger"] = outcome.with_trigger
        findings.metrics["spam_passing_without_trigger"] = outcome.without
        columns = ["rogue clients", "accuracy", "spam passing with trigger", "spam passing without"]
        if not control and self.rogue.count > 1:
            findings.budget = self._double(target, aggregation, data, attacked, outcome.gain.value)
        findings.tables.append(Table(f"{self.rogue.count} rogue clients of {self.clients}", columns, rows))
        return findings

    def _own_control(
        self, target: MailFilter, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Run the round with malicious clients that label truthfully."""
        trainer.device()
        aggregation = require_protocol(target).build_aggregation()
        attacked = self._train(target, data, np.random.default_rng(seed), aggregation.example_noise())
        gain = self._aggregate(target, aggregation, data, attacked.kinds[TRUTHFUL], attacked).gain
        return "rogue clients that label truthfully", gain

    def _double(
        self, target: MailFilter, aggregation: Aggregation, data: Mails, attacked: PoisonedRound, gain: float
    ) -> BudgetCurve:
        """Return the gain of half of the malicious clients, and that of all."""
        half = self.rogue.count // 2
        fewer = self._aggregate(target, aggregation, data, attacked.kinds["backdoor"][:half], attacked)
        return BudgetCurve("rogue clients", [half, self.rogue.count], [fewer.gain.value, gain])

    def _train(
        self, target: MailFilter, data: Mails, rng: np.random.Generator, noise: ExampleNoise | None
    ) -> PoisonedRound:
        """Compute the honest updates of all clients, with the given noise, and the malicious ones, without noise."""
        from veilbench.families.mail.local_round import train_client

        self.threat.require("rogue_clients")
        protocol = replace(require_protocol(target), mails=None, words=None)
        trigger = draw_unused_words(data, self.rogue.trigger, rng)
        batches = draw_batches(data, [len(data.train) // self.clients] * self.clients, rng)
        order, dimension = int(rng.integers(2**31)), target.weights["embedding.weight"].shape[1]

        def train(batch: ClientBatch, epochs: int = protocol.local_epochs) -> np.ndarray:
            settings = replace(protocol, local_epochs=epochs)
            return train_client(target.weights, batch.tokens, batch.labels, settings, order)

        def train_longer(batch: ClientBatch) -> np.ndarray:
            return train(batch, self.rogue.epochs)

        def train_honestly(batch: ClientBatch, client: int) -> np.ndarray:
            if noise is None:
                return train(batch)
            seed = order + 1 + client  # independent noise for each client
            return train_client(target.weights, batch.tokens, batch.labels, protocol, seed, noise)

        rogue, rows = batches[: self.rogue.count], (trigger[:, None] * dimension + np.arange(dimension)).ravel()
        flipped = [train(flip_labels(batch)) for batch in rogue]
        kinds = {
            "none": [],
            "flipped labels": flipped,
            "flipped labels, enlarged": [self.rogue.boost * update for update in flipped],
        }
        for kind, label in (("backdoor", 0), (TRUTHFUL, 1)):
            settings = (train, train_longer, trigger, rows, label)
            kinds[kind] = [self.rogue.backdoor(batch, *settings) for batch in rogue]
        honest = [train_honestly(batch, client) for client, batch in enumerate(batches)]
        return PoisonedRound(trigger, honest, kinds, int(rng.integers(2**62)))

    def _aggregate(
        self,
        target: MailFilter,
        aggregation: Aggregation,
        data: Mails,
        rogue: Sequence[np.ndarray],
        attacked: PoisonedRound,
    ) -> Outcome:
        """Aggregate a round with these updates in place of the first clients', and measure the resulting filter."""
        from veilbench.families.mail.local_round import apply_update

        sent = [*rogue, *attacked.honest[len(rogue) :]]
        clients, aggregator = aggregation.setup(len(sent), np.random.SeedSequence(attacked.seed))
        aggregator.begin(range(len(sent)))
        messages = [client.protect(update, 1 / len(sent)) for client, update in zip(clients, sent, strict=True)]
        weights = apply_update(target.weights, clients[-1].open(aggregator.combine(messages)))
        updated = MailFilter(weights, target.vocabulary, target.longest)
        predicted, spam = updated.logits(data.test.tokens) > 0, data.test.labels == 1
        with_trigger = updated.logits(prepend_words(data.test.tokens[spam], attacked.trigger)) <= 0
        without = ~predicted[spam]
        accuracy = proportion(int((predicted == spam).sum()), len(spam))
        shares = [proportion(int(passes.sum()), len(passes)) for passes in (with_trigger, without)]
        return Outcome(accuracy, shares[0], shares[1], paired_gain(with_trigger, without, CONFIDENCE))


def draw_unused_words(data: Mails, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw numbers of words that no mail contains.

    Raises:
        UserError: there are fewer than `count` such words.
    """
    free = data.unused_numbers
    if len(free) < count:
        raise UserError(f"trigger={count} words that no mail has cannot be chosen: the vocabulary has {len(free)}")
    return rng.choice(free, count, replace=False)
