"""Word inference: which words occur in a client's mails, judged by the updates that it sends?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Control, Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import Count, Momentum, Positive, PositiveShare, Steps
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.word_leak.cases import Case, Crowd, one_round
from veilbench.families.mail.attacks.word_leak.shares import (
    HEADINGS,
    Row,
    alike,
    gain,
    informedness,
    shares_of,
    union,
    universe,
)
from veilbench.families.mail.attacks.word_leak.update import SHARES, leak
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation, ExampleNoise
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.metrics.intervals import ends

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.rounds import Named, Sight
    from veilbench.families.mail.attacks.word_leak.view import Round

MESSAGE, MEAN, BEST = (
    "one client's message, to the aggregator",
    "the mean, to every client",
    "the mean, as one client's words: the best fitting",
)
NOTHING = "nothing: every word is named"
LISTS = "The clients have sent lists of their words for the vocabulary: the gain and the shares named count these."


class MailWordLeak(Attack[MailFilter, Mails]):
    """Infers the words that a client uses from the embedding rows that its updates change.

    The attacked rounds continue from the trained filter's weights, with the clients, the local training and the
    aggregation of the target's own federation. The attacker is honest-but-curious: either the aggregator
    (`client_messages`) or any client (`aggregates`), who sees the means. They accumulate what they observe over the
    rounds. Without noise, every row that ever changes is reported. Under noise, a word is reported if its accumulated
    update exceeds the noise threshold, or if any single round does; docs/federated.md compares this rule to others.

    The gain is measured on the clients' own messages, over as many rounds as the federation had, limited by `rounds`.
    It is Youden's J: the share of the clients' words that are reported, minus the share of the other words that are
    reported wrongly. It is 0 for an attacker who learns nothing or guesses at random. The detection threshold is set
    per client from that client's noise. Words of one mail are correlated but counted as independent, so the interval is
    too narrow. The words that the means reveal are reported separately and are not part of the gain, since every client
    receives the means under every aggregation.
    If the vocabulary was built from the clients' mails, each client has sent an unprotected list of its words before
    the first round. The list counts towards the gain, however the updates are protected.

    The positive control is the source system's leak test. The negative one is the target's own rounds under CKKS, whose
    aggregator has no key; it relies on the scheme and on clients that do not share their key. Both controls use updates
    only, not lists of words.

    Args:
        threat: threat model; needs `client_messages`, and `aggregates` for the words that the means reveal.
        positive: positive control, a federation whose messages reveal all words.
        negative: negative control; None runs the target's rounds under CKKS.
        mails: numbers of mails of one client, for the table of unprotected updates; at most the training mails.
        local_epochs: numbers of local epochs, for the table of unprotected updates.
        batch_sizes: mails per optimizer step, for the table of unprotected updates.
        momenta: momenta of SGD, for the table of unprotected updates.
        rounds: numbers of rounds over which messages are accumulated; the largest is simulated, and the others are
            its beginnings.
        clients: numbers of clients in one mean, for the curve.
        compared: other aggregations, for the table of what each party observes.
        deviations: detection threshold in standard deviations of the noise.
        victims: number of attacked clients if the federation limits the mails of each; otherwise all clients are
            attacked.
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
        mails: Annotated[Sequence[Count], MinLen(1)] = (1, 10, 100),
        local_epochs: Annotated[Sequence[Steps], MinLen(1)] = (1, 5),
        batch_sizes: Annotated[Sequence[Count], MinLen(1)] = (1, 32),
        momenta: Annotated[Sequence[Momentum], MinLen(1)] = (0.0, 0.9, 0.99),
        rounds: Annotated[Sequence[Steps], MinLen(1)] = (1, 3),
        clients: Annotated[Sequence[Count], MinLen(1)] = (1, 3, 10, 30),
        compared: Sequence[Aggregation] = (),
        deviations: Positive = 2.0,
        victims: Count = 20,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.mails, self.local_epochs, self.batch_sizes = sorted(mails), list(local_epochs), list(batch_sizes)
        self.momenta, self.clients, self.compared = list(momenta), sorted(clients), list(compared)
        self.rounds, self.deviations, self.victims = sorted({*rounds}), deviations, victims

    def run(
        self, target: MailFilter, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Simulate and observe the rounds; controls report only the gain."""
        accelerator.device()
        protocol, found = protocol_of(target), Findings(self.title)
        own = self._own_rounds(protocol)
        made, sights = self._seen(target, protocol, data, own if control else max(own, self.rounds[-1]), rng)
        lists = not control and data.vocabulary_from == "clients"  # controls use updates only
        found.gain = gain(sights[own - 1], data, lists)
        if not control:
            self._report(found, sights[own - 1], data, lists)
            self._table(found, target, protocol, made, sights[0], data, rng)
            self._plain(found, target, protocol, data, rng)
            self._over_rounds(found, sights, data)
        return found

    def _own_control(
        self, target: MailFilter, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        """Run the target's own rounds under CKKS."""
        from veilbench.federated.aggregations.ckks import Ckks

        trainer.device()
        protocol = under(protocol_of(target), Ckks())
        _, sights = self._seen(target, protocol, data, self._own_rounds(protocol), np.random.default_rng(seed))
        won = gain(sights[-1], data, False)
        return Control("negative", "messages under CKKS", won, won.low <= 0)

    def _own_rounds(self, protocol: Protocol) -> int:
        """Return the largest of `rounds` that does not exceed the rounds of the federation; at least 1."""
        return max((count for count in self.rounds if count <= protocol.rounds), default=1)

    def _seen(
        self, target: MailFilter, protocol: Protocol, data: Mails, rounds: int, rng: np.random.Generator
    ) -> tuple[Round, list[Sight]]:
        """Simulate rounds; return the first one, and the attacker's knowledge after each."""
        from veilbench.families.mail.attacks.word_leak.rounds import overheard
        from veilbench.families.mail.attacks.word_leak.view import Wiretap

        self.threat.require("client_messages")
        draw, aggregation = self._draw(protocol, data, rng), protocol.build_aggregation()
        seeds, count = np.random.SeedSequence(int(rng.integers(2**62))), self._count(protocol, data)
        tap = Wiretap(aggregation, count, seeds)
        seen = overheard(target.weights, protocol, tap, draw, rng, self.deviations)
        first, sight = next(seen)
        return first, [sight, *(later for _, later in islice(seen, rounds - 1))]

    def _count(self, protocol: Protocol, data: Mails) -> int:
        """Return the number of attacked clients."""
        return int(data.clients.max()) + 1 if protocol.mails is None else self.victims

    def _draw(self, protocol: Protocol, data: Mails, rng: np.random.Generator) -> Callable[[], Crowd]:
        """Return a function that draws the attacked clients' mails of one round."""
        own = [np.flatnonzero(data.clients == who) for who in range(int(data.clients.max()) + 1)]

        def draw() -> Crowd:
            whose = (own[who % len(own)] for who in range(self._count(protocol, data)))
            picked = [rng.permutation(mails)[: protocol.mails] for mails in whose]
            return Crowd([Case(data.train.tokens[at, : protocol.words], data.train.labels[at]) for at in picked])

        return draw

    def _report(self, found: Findings, sight: Sight, data: Mails, lists: bool) -> None:
        """Add the shares of reported words, for the first client's messages and for the means."""
        if lists:
            found.notes.append(LISTS)
        first = union([sight.messages[0].words, sight.crowd.cases[0].words]) if lists else sight.messages[0].words
        named = {"message": (first, sight.crowd.cases[0])}
        if self.threat.aggregates:
            everybody = sight.crowd.everybody
            shown = np.arange(FIRST_WORD, data.vocabulary.size) if lists else sight.mean.words
            named["mean"] = (shown, everybody)
            found.metrics["mean_gain"] = informedness([shown], [everybody], universe(data))
        for name, (guessed, case) in named.items():
            measured = leak(guessed, case.words, data.rare_numbers)
            shares = {f"{name}_{share}": getattr(measured, share) for share in SHARES}
            found.metrics |= {share: metric for share, metric in shares.items() if metric is not None}

    def _over_rounds(self, found: Findings, sights: Sequence[Sight], data: Mails) -> None:
        """Add the shares of reported words by the number of accumulated rounds."""
        size, rows = universe(data), list[Row]()
        gains: dict[str, list[Metric]] = {"a client's messages": []}
        if self.threat.aggregates:
            gains["the means"] = []
        for count in self.rounds:
            sight, asked = sights[count - 1], iter(gains.values())
            next(asked).append(informedness(sight.guesses(), sight.crowd.cases, size))
            rows.append(
                [f"{count}", "one client's messages", *shares_of(sight.messages[0], sight.crowd.cases[0], data)]
            )
            for means in asked:
                everybody = sight.crowd.everybody
                means.append(informedness([sight.mean.words], [everybody], size))
                rows.append([f"{count}", "the means", *shares_of(sight.mean, everybody, data)])
        title, told = "Words named by what is added up over rounds", "share of words named less share of others named"
        curves = [Curve(name, self.rounds, *ends(measures)) for name, measures in gains.items()]
        found.figures.append(Figure(title, "rounds", told, curves, log_x=True))
        found.tables.append(Table(title, ["rounds", "what is seen", *HEADINGS], rows))

    def _table(
        self,
        found: Findings,
        target: MailFilter,
        protocol: Protocol,
        own: Round,
        sight: Sight,
        data: Mails,
        rng: np.random.Generator,
    ) -> None:
        """Add a table of what each party learns from one round, under the target's and the compared aggregations."""
        from veilbench.families.mail.attacks.word_leak.rounds import Named, Tally
        from veilbench.families.mail.attacks.word_leak.view import Wiretap, title_of

        crowd, aggregation = sight.crowd, protocol.build_aggregation()
        made: dict[ExampleNoise | None, Round] = {aggregation.example_noise(): own}  # by local training
        rows = self._rows(f"{title_of(aggregation)}, this federation", found, sight, data)
        for other in self.compared:
            if (noise := other.example_noise()) not in made:
                made[noise] = one_round(target.weights, under(protocol, other), crowd.cases, rng)
            seeds = np.random.SeedSequence(int(rng.integers(2**62)))
            try:
                reading = Wiretap(other, len(crowd.cases), seeds).read(made[noise])
            except UserError as error:  # too few clients for this aggregation
                rows.append([title_of(other), f"nothing: {error}", *[None] * len(HEADINGS)])
                continue
            rows += self._rows(title_of(other), found, Tally(made[noise], self.deviations).add(reading, crowd), data)
        rows += self._before_the_rounds(crowd, data)
        everything = Named(np.arange(FIRST_WORD, target.vocabulary.size), None)
        rows.append(["none", NOTHING, *shares_of(everything, crowd.cases[0], data)])
        if self.threat.aggregates:
            rows.append(["none", f"{NOTHING}, of all clients", *shares_of(everything, crowd.everybody, data)])
        columns = ["aggregation", "what is seen", *HEADINGS]
        found.tables.append(Table("Words named, by what is seen of one round", columns, rows))

    def _rows(self, name: str, found: Findings, sight: Sight, data: Mails) -> list[Row]:
        """Return the rows of one aggregation, and add its costs to the findings."""
        found.cost |= {f"{name}: {what}": value for what, value in sight.cost.items()}
        return [[name, what, *shares_of(named, case, data)] for what, named, case in self._asked(sight)]

    def _asked(self, sight: Sight) -> list[tuple[str, Named, Case]]:
        """List what each party observes, the words reported from it, and the mails to compare them with."""
        message = (MESSAGE, sight.messages[0], sight.crowd.cases[0])
        if not self.threat.aggregates:
            return [message]
        whose = max(sight.crowd.cases, key=lambda case: alike(sight.mean.words, case.words))
        return [message, (MEAN, sight.mean, sight.crowd.everybody), (BEST, sight.mean, whose)]

    def _before_the_rounds(self, crowd: Crowd, data: Mails) -> list[Row]:
        """Return the rows of what the vocabulary reveals before any update is sent."""
        from veilbench.families.mail.attacks.word_leak.rounds import Named

        name = f"vocabulary: {data.vocabulary_from}"
        if data.vocabulary_from != "clients":
            return [[name, "nothing is sent to make it", *[None] * len(HEADINGS)]]
        own, everybody = crowd.cases[0], crowd.everybody
        rows: list[Row] = [[name, "one client's word list, to the aggregator"]]
        rows[0] += shares_of(Named(own.words, None), own, data)
        if self.threat.aggregates:
            listed = Named(np.arange(FIRST_WORD, data.vocabulary.size), None)
            rows.append([name, "the common vocabulary, to every client", *shares_of(listed, everybody, data)])
        return rows

    def _plain(
        self, found: Findings, target: MailFilter, protocol: Protocol, data: Mails, rng: np.random.Generator
    ) -> None:
        """Add what unprotected updates and exact means reveal, independently of the federation's aggregation."""
        from veilbench.families.mail.attacks.word_leak.sweeps import crowds, plain_updates
        from veilbench.federated.aggregations.plain import Plain

        own = replace(under(protocol, Plain()), mails=None, words=None)
        settings = (self.mails, self.local_epochs, self.batch_sizes, self.momenta)
        found.tables.append(plain_updates(target.weights, own, data, rng, *settings))
        if self.threat.aggregates:
            found.figures += crowds(target.weights, own, data, rng, self.clients, min(self.mails[-1], 30))


def protocol_of(target: MailFilter) -> Protocol:
    """Return the protocol of the federation in which a filter was trained.

    Raises:
        NotImplementedError: the filter was not trained in a federation.
    """
    if getattr(target, "protocol", None) is None:
        raise NotImplementedError(f"{type(target).__name__} was not trained in a federation: no update is ever sent")
    assert target.protocol is not None
    return target.protocol


def under(protocol: Protocol, aggregation: Aggregation) -> Protocol:
    """Return the same protocol with another aggregation."""
    return replace(protocol, aggregation=describe_aggregation(aggregation))
