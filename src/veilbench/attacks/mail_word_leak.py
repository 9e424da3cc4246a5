"""Which words stand in a client's mails? Read from what it sends in one round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Gt, MinLen

from veilbench.accelerator import Accelerator
from veilbench.attacks.base import CONFIDENCE, Attack
from veilbench.attacks.leak_cases import Case, dealt, one_round
from veilbench.attacks.word_leak import (
    count_recall,
    counts_of_one_mail,
    label_recall,
    leak,
    leanings,
    moved_words,
    words_in,
)
from veilbench.data.mail import Mails
from veilbench.data.vocabulary import FIRST_WORD
from veilbench.errors import UserError
from veilbench.experiment import build
from veilbench.federated.aggregations.base import Aggregation, ExampleNoise
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, described
from veilbench.findings import Control, Curve, Figure, Findings, Metric, Table
from veilbench.mail.filter import MailFilter
from veilbench.metrics.intervals import ends, proportion
from veilbench.threat import ThreatModel

if TYPE_CHECKING:
    from veilbench.attacks.leak_view import Round, Sight

FIRST_ROUND, ONE_STEP = "first round, weights of zero", "1 mail, one step of SGD, weights of zero"
SHARES = ("precision", "recall", "rare_precision", "rare_recall")


class MailWordLeak(Attack[MailFilter, Mails]):
    """Names the words that a client used in a round, by the rows of the embedding that its update moves.

    The attacked round is one more, from the trained filter's weights, with the clients, the local training and the
    aggregation of the subject's own federation. The attacker is the aggregator (`client_messages`), or any client
    (`aggregates`), who sees the mean; he keeps to the protocol.

    The gain is what a client's own message names: the share of its words named less the share of the other words named
    wrongly, which is 0 for whoever sees nothing, and for whoever guesses without looking. Words of one mail go together
    and are counted one by one, so that the interval is narrower than it should be. What the mean still names
    is reported beside it, and is no part of the gain: every client is shown it under every aggregation.

    The positive control is the source's leak test. The negative one is the subject's own round under CKKS, whose
    aggregator has no key; it rests on the scheme and on clients that do not hand their key on.

    Args:
        threat: needs `client_messages`; `aggregates` for what the mean names.
        positive: a federation whose messages name everything.
        negative: None: see above.
        mails: of a client, for the curve; those without so many are left out.
        local_epochs: for the table of a plain update.
        batch_sizes: for the table of a plain update.
        momenta: of SGD, for the table of a plain update.
        clients: in one mean, for the curve.
        compared: other aggregations, for the table of who sees what.
        deviations: a value counts as moved from so many deviations of the noise on.
        victims: attacked clients, where the federation says how many mails each has.
        broken_at: see `Attack`.
    """

    title = "Words from updates"

    def __init__(
        self,
        threat: ThreatModel,
        positive: MailFilter,
        negative: MailFilter | None = None,
        mails: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] = (1, 10, 100),
        local_epochs: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] = (1, 5),
        batch_sizes: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] = (1, 32),
        momenta: Annotated[Sequence[Annotated[float, Ge(0)]], MinLen(1)] = (0.0, 0.9),
        clients: Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(1)] = (1, 3, 10, 30),
        compared: Sequence[Aggregation] = (),
        deviations: Annotated[float, Gt(0)] = 2.0,
        victims: Annotated[int, Ge(1)] = 20,
        broken_at: float = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_at)
        self.mails, self.local_epochs, self.batch_sizes = sorted(mails), list(local_epochs), list(batch_sizes)
        self.momenta, self.clients, self.compared = list(momenta), sorted(clients), list(compared)
        self.deviations, self.victims = deviations, victims

    def run(
        self, subject: MailFilter, data: Mails, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """See `Attack.run`."""
        accelerator.device()
        protocol = protocol_of(subject)
        aggregation = build(dict(protocol.aggregation))
        found, cases = Findings(self.title), self._cases(protocol, data, rng)
        sight = self._seen(subject, protocol, aggregation, cases, rng)
        found.gain = informedness(sight.messages, cases, subject.vocabulary.size)
        if not control:
            self._report(found, sight, cases, data)
            self._table(found, subject, protocol, aggregation, sight, cases, data, rng)
            self._plain_updates(found, subject, protocol, data, rng)
            self._crowds(found, subject, protocol, data, rng)
        return found

    def _own_control(
        self, subject: MailFilter, data: Mails, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        """The subject's own round under CKKS."""
        from veilbench.federated.aggregations.ckks import Ckks

        trainer.device()
        rng, protocol = np.random.default_rng(seed), protocol_of(subject)
        cases = self._cases(protocol, data, rng)
        sight = self._seen(subject, protocol, Ckks(), cases, rng)
        gain = informedness(sight.messages, cases, subject.vocabulary.size)
        return Control("negative", "one message under CKKS", gain, gain.low <= 0)

    def _cases(self, protocol: Protocol, data: Mails, rng: np.random.Generator) -> list[Case]:
        """The attacked clients with the mails of their round."""
        count = int(data.clients.max()) + 1 if protocol.mails is None else self.victims
        own = [np.flatnonzero(data.clients == who) for who in range(int(data.clients.max()) + 1)]
        picked = [rng.permutation(own[who % len(own)])[: protocol.mails] for who in range(count)]
        return [Case(data.train.tokens[at, : protocol.words], data.train.labels[at]) for at in picked]

    def _seen(
        self,
        subject: MailFilter,
        protocol: Protocol,
        aggregation: Aggregation,
        cases: Sequence[Case],
        rng: np.random.Generator,
    ) -> Sight:
        from veilbench.attacks.leak_view import seen

        self.threat.require("client_messages")
        made = one_round(subject.weights, protocol, cases, rng)
        return seen(aggregation, made, np.random.SeedSequence(int(rng.integers(2**62))), self.deviations)

    def _report(self, found: Findings, sight: Sight, cases: Sequence[Case], data: Mails) -> None:
        """The shares for the first client, and for the mean."""
        named = {"message": (sight.messages[0], cases[0].words())}
        if self.threat.aggregates:
            named["mean"] = (sight.mean, union(cases))
            everybody = Case(np.concatenate([case.tokens for case in cases]), np.concatenate([c.labels for c in cases]))
            found.metrics["mean_gain"] = informedness([sight.mean], [everybody], data.vocabulary.size)
        for name, (guessed, truth) in named.items():
            measured = leak(guessed, truth, data.rare_numbers)
            shares = {f"{name}_{share}": getattr(measured, share) for share in SHARES}
            found.metrics |= {share: metric for share, metric in shares.items() if metric is not None}

    def _table(
        self,
        found: Findings,
        subject: MailFilter,
        protocol: Protocol,
        aggregation: Aggregation,
        sight: Sight,
        cases: Sequence[Case],
        data: Mails,
        rng: np.random.Generator,
    ) -> None:
        """Who sees what, under the subject's aggregation and the compared ones."""
        from veilbench.attacks.leak_view import seen, title_of

        made: dict[ExampleNoise | None, Round] = {}  # rounds differ where clients must train differently
        rows = list[list[str | float | Metric | None]]()
        for index, other in enumerate((aggregation, *self.compared)):
            if (noise := other.example_noise()) not in made:
                made[noise] = one_round(subject.weights, under(protocol, other), cases, rng)
            seeds = np.random.SeedSequence(int(rng.integers(2**62)))
            view = seen(other, made[noise], seeds, self.deviations) if index else sight
            name = title_of(other) + (", this federation" if not index else "")
            found.cost |= {f"{name}: {what}": value for what, value in view.cost.items()}
            asked = {"one client's message, to the aggregator": (view.messages[0], cases[0].words())}
            if self.threat.aggregates:
                asked["the mean, to every client"] = (view.mean, union(cases))
            for what, (guessed, truth) in asked.items():
                measured = leak(guessed, truth, data.rare_numbers)
                rows.append([name, what, *(getattr(measured, share) for share in SHARES)])
        everything = leak(np.arange(FIRST_WORD, subject.vocabulary.size), cases[0].words(), data.rare_numbers)
        rows.append(["none", "nothing: every word is named", *(getattr(everything, share) for share in SHARES)])
        columns = ["aggregation", "what is seen", *(share.replace("_", " ") for share in SHARES)]
        found.tables.append(Table("Words named, by what is seen", columns, rows))

    def _plain_updates(
        self, found: Findings, subject: MailFilter, protocol: Protocol, data: Mails, rng: np.random.Generator
    ) -> None:
        """What an unprotected update tells: against the number of mails, and against how a client trains."""
        own = replace(under(protocol, Plain()), mails=None, words=None)
        tries = {f"{count} mails": (count, own) for count in self.mails}
        most = self.mails[-1]
        tries |= {f"{n} local epochs": (most, replace(own, local_epochs=n)) for n in self.local_epochs}
        tries |= {f"batches of {n}": (most, replace(own, batch_size=n)) for n in self.batch_sizes}
        sgd = replace(own, optimizer="sgd", learning_rate=0.1)
        tries |= {f"SGD, momentum {m:g}": (most, replace(sgd, momentum=m)) for m in self.momenta}
        if subject.weights["embedding.weight"].shape[1] == 1:  # wider ones do not begin at zero
            tries[FIRST_ROUND] = most, own
            tries[ONE_STEP] = 1, replace(sgd, momentum=0.0, batch_size=1, local_epochs=1)
        rows = list[list[str | float | Metric | None]]()
        for name, (count, settings) in tries.items():
            case = dealt(data, [count], rng)[0]
            begin = {key: np.zeros_like(weight) for key, weight in subject.weights.items()}
            made = one_round(begin if name in (FIRST_ROUND, ONE_STEP) else subject.weights, settings, [case], rng)
            update = made.embedding(0)
            measured = leak(moved_words(update), case.words(), data.rare_numbers)
            leaning = leanings(update[:, 0]) if update.shape[1] == 1 else None
            labels = None if leaning is None else label_recall(leaning, case.tokens, case.labels)
            counts = counts_named(made, case) if name == ONE_STEP else None
            rows.append([name, *(getattr(measured, share) for share in SHARES), labels, counts])
        columns = ["", *(share.replace("_", " ") for share in SHARES), "label named", "count named"]
        found.tables.append(Table("What an unprotected update names", columns, rows))

    def _crowds(
        self, found: Findings, subject: MailFilter, protocol: Protocol, data: Mails, rng: np.random.Generator
    ) -> None:
        """How far the mean of many clients names one client's words."""
        if not self.threat.aggregates:
            return
        own, each = replace(under(protocol, Plain()), mails=None, words=None), min(self.mails[-1], 30)
        shares: dict[str, list[Metric]] = {"precision": [], "recall": []}
        fits = [count for count in self.clients if count * each <= len(data.train)]
        for count in fits:
            cases = dealt(data, [each] * count, rng)
            made = one_round(subject.weights, own, cases, rng)
            measured = leak(made.moved(np.average(made.updates, 0, made.weights), 0), cases[0].words(), np.empty(0))
            for share, so_far in shares.items():
                so_far.append(getattr(measured, share))
        if not fits:
            return
        curves = [Curve(f"{name} of one client's words", fits, *ends(measures)) for name, measures in shares.items()]
        found.figures.append(Figure("What the exact mean names", "clients in the mean", "share", curves, log_x=True))


def protocol_of(subject: MailFilter) -> Protocol:
    """The federation that a filter was trained in.

    Raises:
        NotImplementedError: there was none.
    """
    if getattr(subject, "protocol", None) is None:
        raise NotImplementedError(f"{type(subject).__name__} was not trained in a federation: no update is ever sent")
    assert subject.protocol is not None
    return subject.protocol


def counts_named(made: Round, case: Case) -> Metric | None:
    """Of the words of the one mail behind one step, those named with their exact count."""
    words = made.updates[0, : made.words]
    return count_recall(counts_of_one_mail(words, float(made.updates[0, made.words]))[0], case.tokens)


def under(protocol: Protocol, aggregation: Aggregation) -> Protocol:
    """The same federation with another aggregation."""
    return replace(protocol, aggregation=described(aggregation))


def union(cases: Sequence[Case]) -> np.ndarray:
    """The words of all clients."""
    return words_in(np.concatenate([case.tokens.ravel() for case in cases]))


def informedness(guessed: Sequence[np.ndarray], cases: Sequence[Case], size: int) -> Metric:
    """Share of the clients' words named less share of the other words named (Youden 1950), over all clients.

    Args:
        guessed: per client, numbers of words.
        cases: the clients.
        size: of the vocabulary, padding and the unknown word included.

    Raises:
        UserError: no client has a known word.
    """
    truths = [case.words() for case in cases]
    right = sum(len(np.intersect1d(g, t)) for g, t in zip(guessed, truths, strict=True))
    wrong, there = sum(map(len, guessed)) - right, sum(map(len, truths))
    absent = len(cases) * (size - FIRST_WORD) - there
    if not there or not absent:
        raise UserError("the attack on words needs words that clients have used, and others")
    each = 1 - (1 - CONFIDENCE) / 2  # both intervals hold together
    recall, false = proportion(right, there, each), proportion(wrong, absent, each)
    label = f"Clopper-Pearson on both shares, {100 * CONFIDENCE:g} %"
    return Metric(recall.value - false.value, recall.low - false.high, recall.high - false.low, there, label)
