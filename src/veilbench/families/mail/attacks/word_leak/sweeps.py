"""What unprotected updates reveal, by the number of mails and the settings of local training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from veilbench.bench.findings import Curve, Figure, Metric, Table
from veilbench.families.mail.attacks.word_leak.cases import Case, dealt, one_round
from veilbench.families.mail.attacks.word_leak.update import (
    SHARES,
    count_recall,
    counts_of_one_mail,
    label_recall,
    leak,
    leanings,
    moved_words,
    net_count_recall,
    net_counts,
)
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.protocol import Protocol
from veilbench.metrics.intervals import ends

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.view import Round

Weights = Mapping[str, np.ndarray]
SGD_RATE = 0.1


@dataclass(frozen=True)
class Way:
    """Settings of one client's training.

    Attributes:
        mails: number of the client's mails.
        protocol: settings of the local training.
        zero: whether training starts from zero weights.
        solved: method that recovers word counts: "ratio" to the bias, "net" from zero weights, or empty for none.
    """

    mails: int
    protocol: Protocol
    zero: bool = False
    solved: str = ""


def plain_updates(
    weights: Weights,
    protocol: Protocol,
    data: Mails,
    rng: np.random.Generator,
    mails: Sequence[int],
    local_epochs: Sequence[int],
    batch_sizes: Sequence[int],
    momenta: Sequence[float],
) -> Table:
    """Return a table with one row per setting of one client's training, whose update is sent unprotected.

    Args:
        weights: weights of the trained filter, by parameter name.
        protocol: settings of its federation, with plain aggregation.
        data: mails from which the client's are drawn.
        rng: generator of the mails and of the training's seeds.
        mails: numbers of the client's mails, sorted; all other rows use the largest.
        local_epochs: numbers of local epochs, one row each.
        batch_sizes: mails per optimizer step, one row each.
        momenta: momenta of SGD, one row each.
    """
    most, sgd = mails[-1], replace(protocol, optimizer="sgd", learning_rate=SGD_RATE, momentum=0.0)
    ways = {counted(count): Way(count, protocol) for count in mails}
    ways |= {f"{n} local epochs": Way(most, replace(protocol, local_epochs=n)) for n in local_epochs}
    ways |= {f"batches of {n}": Way(most, replace(protocol, batch_size=n)) for n in batch_sizes}
    ways |= {f"SGD, momentum {m:g}": Way(most, replace(sgd, momentum=m)) for m in momenta}
    if weights["embedding.weight"].shape[1] == 1:  # wider embeddings are not initialised with zeros
        ways["first round, weights of zero"] = Way(most, protocol, zero=True)
        step = replace(sgd, local_epochs=1, batch_size=most)
        ways["1 mail, one step of SGD"] = Way(1, step, solved="ratio")
        one = {f"{counted(count)}, one step of SGD, weights of zero": Way(count, step, True, "net") for count in mails}
        ways |= one
    rows = [[name, *_cells(way, weights, data, rng)] for name, way in ways.items()]
    shares = [share.replace("_", " ") for share in SHARES]
    columns = ["", *shares, "label named", "count named", "count in spam less in ham named"]
    return Table("What an unprotected update names", columns, rows)


def counted(mails: int) -> str:
    """Format a number of mails, such as "1 mail" or "10 mails"."""
    return f"{mails} mail{'s' * (mails > 1)}"


def _cells(way: Way, weights: Weights, data: Mails, rng: np.random.Generator) -> list[Metric | None]:
    case = dealt(data, [way.mails], rng)[0]
    begin = {key: np.zeros_like(weight) for key, weight in weights.items()} if way.zero else weights
    made = one_round(begin, way.protocol, [case], rng)
    update = made.embedding(0)
    measured = leak(moved_words(update), case.words, data.rare_numbers)
    leaning = leanings(update[:, 0]) if update.shape[1] == 1 else None
    labels = None if leaning is None else label_recall(leaning, *case.one_sided)
    return [*(getattr(measured, share) for share in SHARES), labels, *_counts(way, made, case)]


def _counts(way: Way, made: Round, case: Case) -> list[Metric | None]:
    """Return the shares of words whose exact count, and whose count in spam minus that in ham, is recovered.

    For a word that occurs only in mails of one label, the difference determines the count, so it is guessed for all.
    """
    if not way.solved:
        return [None, None]
    words, bias = made.updates[0, : made.words], float(made.updates[0, made.words])
    net = net_counts(words, way.protocol.learning_rate, way.mails) if way.solved == "net" else _by_ratio(words, bias)
    return [
        count_recall({word: abs(count) for word, count in net.items()}, case.tokens),
        net_count_recall(net, case.tokens, case.labels),
    ]


def _by_ratio(words: np.ndarray, bias: float) -> dict[int, int]:
    """Recover the signed word counts of one mail from a step; empty if float32 rounding prevents it."""
    try:
        counts, label = counts_of_one_mail(words, bias)
    except ValueError:
        return {}
    return {word: count if label else -count for word, count in counts.items()}


def crowds(
    weights: Weights,
    protocol: Protocol,
    data: Mails,
    rng: np.random.Generator,
    clients: Sequence[int],
    each: int,
) -> list[Figure]:
    """Return a figure of how well the exact mean of many clients reveals one client's words.

    Args:
        weights: weights of the trained filter, by parameter name.
        protocol: settings of its federation, with plain aggregation.
        data: mails that are distributed to the clients.
        rng: generator of the mails and of the training's seeds.
        clients: numbers of clients; those that need more mails than there are, are left out.
        each: number of mails per client.
    """
    fits = [count for count in clients if count * each <= len(data.train)]
    shares: dict[str, list[Metric | None]] = {share: [] for share in (*SHARES, "label")}
    for count in fits:
        cases = dealt(data, [each] * count, rng)
        made = one_round(weights, protocol, cases, rng)
        mean, case = np.average(made.updates, 0, made.weights)[: made.words * made.dimension], cases[0]
        rows = mean.reshape(made.words, made.dimension)
        measured = leak(moved_words(rows), case.words, data.rare_numbers)
        for share in SHARES:
            shares[share].append(getattr(measured, share))
        alone = label_recall(leanings(rows[:, 0]), *case.one_sided) if made.dimension == 1 else None
        shares["label"].append(alone)
    names = {name: f"{name.replace('_', ' ')} of one client's words" for name in shares}
    curves = [_curve(names[name], fits, measures) for name, measures in shares.items()]
    drawn = [curve for curve in curves if curve.x]
    return [Figure("What the exact mean names", "clients in the mean", "share", drawn, log_x=True)] if drawn else []


def _curve(name: str, at: Sequence[int], measures: Sequence[Metric | None]) -> Curve:
    """Return a curve of the points that have a value."""
    there = [(x, measure) for x, measure in zip(at, measures, strict=True) if measure is not None]
    return Curve(name, [x for x, _ in there], *ends([measure for _, measure in there]))
