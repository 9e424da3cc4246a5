"""Word inference: which words occur in a client's mails, according to the updates that it sends?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.findings import BudgetCurve, Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import Count, Positive, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, Clients
from veilbench.families.mail.attacks.word_leak.shares import (
    HEADINGS,
    Row,
    count_possible_words,
    dice_similarity,
    informedness,
    measure_gain,
    tabulate_shares,
    union,
)
from veilbench.families.mail.attacks.word_leak.unprotected import UnprotectedUpdates
from veilbench.families.mail.attacks.word_leak.update import SHARES, measure_leak
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.metrics.intervals import ends

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.accumulator import Knowledge, WordGuess

MESSAGE, MEAN, BEST = (
    "one client's message, to the aggregator",
    "the mean, to every client",
    "the mean, as one client's words: the best fitting",
)
UNPROTECTED = UnprotectedUpdates()
NOTHING = "nothing: every word is named"
DROWNING = 1_000.0  # noise of the negative control, in units of the norm of a client's update
UNREADABLE = (
    "not applicable by construction: no message can be read without the clients' keys, and none holds plain values"
)
LISTS = "The clients sent lists of their words to build the vocabulary; the gain and the shares include these lists."


class MailWordLeak(Attack[MailFilter, Mails]):
    """Infers the words that a client uses from the embedding rows that its updates change.

    The attacked rounds continue from the trained filter's weights, with the clients, the local training and the
    aggregation of the target's own federation. The attacker is honest-but-curious: either the aggregator
    (`client_messages`) or any client (`aggregates`), who sees the means. They accumulate what they observe over the
    rounds. Without noise, every row that ever changes is reported. Under noise, a word is reported if its accumulated
    update exceeds the noise threshold, or if any single round does; docs/federated.md compares this rule to others.

    The gain is measured on the clients' own messages, over the rounds of the federation, limited by `rounds`.
    It is Youden's J: the share of the clients' words that are reported, minus the share of the other words that are
    reported wrongly. It is 0 for an attacker who learns nothing or guesses at random. The detection threshold is set
    per client from that client's noise. The interval is for the mails that these clients have: what is random is the
    noise, which is independent for each word. The words that the means reveal are reported separately and are not part
    of the gain, since every client receives the means under every aggregation.

    If no message can be read, since the clients' keys are missing, there is no gain and no verdict: the attack has
    searched the messages for values that are not encrypted, and cannot succeed otherwise.

    If the vocabulary was built from the clients' mails, each client has sent an unprotected list of its words before
    the first round. The list counts towards the gain, however the updates are protected.

    To compare aggregations, run one experiment with each; the report has a table of them. If the target's own updates
    are sent unprotected (the aggregation `Plain`), the findings also show how the leak depends on the number of mails
    and on the settings of local training.

    The positive control is the source system's leak test. The negative control is the target's own rounds, with clients
    that add noise a thousand times as large as their updates. Both controls use updates only, not lists of words.

    Args:
        threat: threat model; needs `client_messages`, and `aggregates` for the words that the means reveal.
        positive: positive control, a federation whose messages reveal all words.
        negative: negative control; None runs the target's rounds with updates that are lost in noise.
        rounds: numbers of rounds over which messages are accumulated. As many rounds as the largest are simulated, and
            the others use the first of these.
        z_threshold: detection threshold in standard deviations of the noise.
        victims: number of attacked clients if the federation limits the mails per client; otherwise all clients are
            attacked.
        unprotected: settings for which unprotected updates are examined.
        broken_threshold: gain from which a federation counts as broken; 0 is chance and 1 is full success.
    """

    data_kind = Mails
    target_kind = MailFilter
    target_needs = ("protocol",)

    title = "Words from updates"

    def __init__(
        self,
        threat: ThreatModel,
        positive: MailFilter,
        negative: MailFilter | None = None,
        rounds: Annotated[Sequence[Steps], MinLen(1)] = (1, 3),
        z_threshold: Positive = 2.0,
        victims: Count = 20,
        unprotected: UnprotectedUpdates = UNPROTECTED,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.rounds, self.z_threshold, self.victims = sorted({*rounds}), z_threshold, victims
        self.unprotected = unprotected

    def run(
        self, target: MailFilter, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Simulate and observe the rounds; for controls only the gain is reported."""
        accelerator.device()
        protocol, findings = require_protocol(target), Findings(self.title)
        rounds = self._count_rounds(protocol)
        known = self._observe(target, protocol, data, rounds if control else max(rounds, self.rounds[-1]), rng)
        lists = not control and data.vocabulary_from == "clients"  # controls use updates only
        if known[rounds - 1].readable or lists:
            findings.gain = measure_gain(known[rounds - 1], data, lists)
        else:
            findings.reason = UNREADABLE
        if not control:
            if trust := protocol.build_aggregation().describe_trust(self._count_clients(protocol, data)):
                findings.notes.append(trust)
            self._report(findings, known[rounds - 1], data, lists)
            findings.cost |= known[0].cost
            findings.tables.append(self._tabulate_one_round(known[0], data))
            self._examine_unprotected(findings, target, protocol, data, rng)
            self._report_rounds(findings, known, data)
        return findings

    def _own_control(
        self, target: MailFilter, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Run the target's own rounds with updates that are lost in noise."""
        from veilbench.federated.aggregations.client_local_dp import ClientLocalDp

        trainer.device()
        protocol = replace_aggregation(require_protocol(target), ClientLocalDp(1.0, DROWNING))
        known = self._observe(target, protocol, data, self._count_rounds(protocol), np.random.default_rng(seed))
        gain = measure_gain(known[-1], data, False)
        return "messages lost in noise", gain

    def _count_rounds(self, protocol: Protocol) -> int:
        """Return the largest of `rounds` that does not exceed the rounds of the federation; at least 1."""
        return max((count for count in self.rounds if count <= protocol.rounds), default=1)

    def _observe(
        self, target: MailFilter, protocol: Protocol, data: Mails, rounds: int, rng: np.random.Generator
    ) -> list[Knowledge]:
        """Simulate rounds; return the attacker's knowledge after each."""
        from veilbench.families.mail.attacks.word_leak.accumulator import observe_rounds
        from veilbench.families.mail.attacks.word_leak.round_observer import RoundObserver

        self.threat.require("client_messages")
        draw, aggregation = self._create_drawer(protocol, data, rng), protocol.build_aggregation()
        seeds, count = np.random.SeedSequence(int(rng.integers(2**62))), self._count_clients(protocol, data)
        observer = RoundObserver(aggregation, count, seeds)
        seen = observe_rounds(target.weights, protocol, observer, draw, rng, self.z_threshold)
        return [knowledge for _, knowledge in islice(seen, rounds)]

    def _count_clients(self, protocol: Protocol, data: Mails) -> int:
        """Return the number of attacked clients."""
        return int(data.clients.max()) + 1 if protocol.mails is None else self.victims

    def _create_drawer(self, protocol: Protocol, data: Mails, rng: np.random.Generator) -> Callable[[], Clients]:
        """Return a function that draws the attacked clients' mails of one round."""
        mails = [np.flatnonzero(data.clients == client) for client in range(int(data.clients.max()) + 1)]

        def draw() -> Clients:
            attacked = (mails[client % len(mails)] for client in range(self._count_clients(protocol, data)))
            picked = [rng.permutation(each)[: protocol.mails] for each in attacked]
            return Clients(
                [ClientBatch(data.train.tokens[at, : protocol.words], data.train.labels[at]) for at in picked]
            )

        return draw

    def _report(self, findings: Findings, knowledge: Knowledge, data: Mails, lists: bool) -> None:
        """Add the shares of reported words, for the first client's messages and for the means."""
        first, pooled = knowledge.clients.batches[0], knowledge.clients.pooled
        words = knowledge.messages[0].words
        guesses = {"message": (union([words, first.words]) if lists else words, first)}
        if lists:
            findings.notes.append(LISTS)
        if self.threat.aggregates:
            revealed = np.arange(FIRST_WORD, data.vocabulary.size) if lists else knowledge.mean.words
            guesses |= {"mean": (revealed, pooled), "mean_as_one_client": (revealed, _find_best_fitting(knowledge))}
            findings.metrics["mean_gain"] = informedness([revealed], [pooled], count_possible_words(data))
        for name, (guess, batch) in guesses.items():
            leak = measure_leak(guess, batch.words, data.rare_numbers)
            shares = {f"{name}_{share}": getattr(leak, share) for share in SHARES}
            findings.metrics |= {share: metric for share, metric in shares.items() if metric is not None}

    def _report_rounds(self, findings: Findings, known: Sequence[Knowledge], data: Mails) -> None:
        """Add the shares of reported words by the number of accumulated rounds."""
        size, rows = count_possible_words(data), list[Row]()
        gains: dict[str, list[Metric]] = {"a client's messages": []}
        if self.threat.aggregates:
            gains["the means"] = []
        for count in self.rounds:
            knowledge = known[count - 1]
            batches, pooled = knowledge.clients.batches, knowledge.clients.pooled
            gains["a client's messages"].append(informedness(knowledge.guesses(), batches, size))
            rows.append(
                [f"{count}", "one client's messages", *tabulate_shares(knowledge.messages[0], batches[0], data)]
            )
            if self.threat.aggregates:
                gains["the means"].append(informedness([knowledge.mean.words], [pooled], size))
                rows.append([f"{count}", "the means", *tabulate_shares(knowledge.mean, pooled, data)])
        if known[-1].readable and len(self.rounds) > 1:
            gained = [measure.value for measure in gains["a client's messages"]]
            findings.budget = BudgetCurve("rounds", self.rounds, gained)
        title, label = "Words named by what is added up over rounds", "share of words named less share of others named"
        curves = [Curve(name, self.rounds, *ends(measures)) for name, measures in gains.items()]
        findings.figures.append(Figure(title, "rounds", label, curves, log_x=True))
        findings.tables.append(Table(title, ["rounds", "what is seen", *HEADINGS], rows))

    def _tabulate_one_round(self, knowledge: Knowledge, data: Mails) -> Table:
        """Return a table of the words that each party learns from one round and from the vocabulary."""
        seen = [(MESSAGE, knowledge.messages[0], knowledge.clients.batches[0])]
        if self.threat.aggregates:
            seen.append((MEAN, knowledge.mean, knowledge.clients.pooled))
            seen.append((BEST, knowledge.mean, _find_best_fitting(knowledge)))
        rows: list[Row] = [[what, *tabulate_shares(guess, batch, data)] for what, guess, batch in seen]
        rows += self._tabulate_vocabulary(knowledge.clients, data)
        everything = _guess_without_labels(np.arange(FIRST_WORD, data.vocabulary.size))
        rows.append([NOTHING, *tabulate_shares(everything, knowledge.clients.batches[0], data)])
        if self.threat.aggregates:
            rows.append([f"{NOTHING}, of all clients", *tabulate_shares(everything, knowledge.clients.pooled, data)])
        return Table("Words named, by what is seen of one round", ["what is seen", *HEADINGS], rows)

    def _tabulate_vocabulary(self, clients: Clients, data: Mails) -> list[Row]:
        """Return table rows with the words that the vocabulary reveals before any update is sent."""
        if data.vocabulary_from != "clients":
            return [[f"the vocabulary ({data.vocabulary_from}): nothing is sent to make it", *[None] * len(HEADINGS)]]
        first = clients.batches[0]
        rows: list[Row] = [["one client's word list, to the aggregator"]]
        rows[0] += tabulate_shares(_guess_without_labels(first.words), first, data)
        if self.threat.aggregates:
            everything = _guess_without_labels(np.arange(FIRST_WORD, data.vocabulary.size))
            rows.append(["the common vocabulary, to every client", *tabulate_shares(everything, clients.pooled, data)])
        return rows

    def _examine_unprotected(
        self, findings: Findings, target: MailFilter, protocol: Protocol, data: Mails, rng: np.random.Generator
    ) -> None:
        """Add the shares that unprotected updates and exact means reveal, if the aggregation is `Plain`."""
        if not isinstance(protocol.build_aggregation(), Plain):
            return
        settings = (target.weights, replace(protocol, mails=None, words=None), data, rng)
        findings.tables.append(self.unprotected.tabulate(*settings))
        if self.threat.aggregates:
            findings.figures += self.unprotected.plot_means(*settings)


def _find_best_fitting(knowledge: Knowledge) -> ClientBatch:
    """Return the mails of the client whose words are most similar to those that the means reveal."""
    return max(knowledge.clients.batches, key=lambda batch: dice_similarity(knowledge.mean.words, batch.words))


def _guess_without_labels(words: np.ndarray) -> WordGuess:
    from veilbench.families.mail.attacks.word_leak.accumulator import WordGuess

    return WordGuess(words, None)


def require_protocol(target: MailFilter) -> Protocol:
    """Return the protocol of the federation in which a filter was trained.

    Raises:
        NotImplementedError: the filter was not trained in a federation.
    """
    if getattr(target, "protocol", None) is None:
        raise NotImplementedError(f"{type(target).__name__} was not trained in a federation: no update is ever sent")
    assert target.protocol is not None
    return target.protocol


def replace_aggregation(protocol: Protocol, aggregation: Aggregation) -> Protocol:
    """Return the same protocol with another aggregation."""
    return replace(protocol, aggregation=describe_aggregation(aggregation))
