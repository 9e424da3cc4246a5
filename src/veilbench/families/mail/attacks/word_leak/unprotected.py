"""What unprotected updates reveal, by the number of mails and the settings of local training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import MinLen

from veilbench.bench.findings import Curve, Figure, Metric, Table
from veilbench.bench.limits import Count, Momentum, Steps
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, draw_batches, simulate_round
from veilbench.families.mail.attacks.word_leak.several_mails import tell_mails_apart
from veilbench.families.mail.attacks.word_leak.update import (
    SHARES,
    count_recall,
    find_changed_words,
    infer_labels,
    label_recall,
    measure_leak,
    net_count_recall,
    solve_net_counts,
    solve_one_mail,
)
from veilbench.families.mail.data.mail import Mails
from veilbench.federated.protocol import Protocol
from veilbench.metrics.intervals import ends

if TYPE_CHECKING:
    from veilbench.families.mail.attacks.word_leak.round_observer import Round

Weights = Mapping[str, np.ndarray]
SGD_RATE = 0.1  # learning rate
MOST_MAILS_IN_A_MEAN = 30  # maximum mails per client, so that the training mails suffice for many clients


@dataclass(frozen=True)
class Setting:
    """Settings of one client's training.

    Attributes:
        mails: number of the client's mails.
        protocol: settings of the local training.
        zero: whether training starts from zero weights.
        solved: method that recovers word counts: "ratio" to the bias, "net" from zero weights, "apart" for several
            mails from any weights, or empty for none.
    """

    mails: int
    protocol: Protocol
    zero: bool = False
    solved: str = ""


@dataclass(frozen=True)
class UnprotectedUpdates:
    """Settings with which an unprotected update, and the exact mean of several updates, are examined.

    Attributes:
        mails: numbers of mails of one client, one row each; at most the number of training mails. All other rows use
            the largest.
        local_epochs: numbers of local epochs, one row each.
        batch_sizes: mails per optimizer step, one row each.
        momenta: momenta of SGD, one row each.
        apart: numbers of mails of one step that are told apart, one row each.
        clients: numbers of clients in one mean, one point of the curve each. Numbers for which there are too few mails
            are left out.
    """

    mails: Annotated[Sequence[Count], MinLen(1)] = (1, 10, 100)
    local_epochs: Annotated[Sequence[Steps], MinLen(1)] = (1, 5)
    batch_sizes: Annotated[Sequence[Count], MinLen(1)] = (1, 32)
    momenta: Annotated[Sequence[Momentum], MinLen(1)] = (0.0, 0.9, 0.99)
    apart: Sequence[Count] = (3, 10)
    clients: Annotated[Sequence[Count], MinLen(1)] = (1, 3, 10, 30)

    def tabulate(self, weights: Weights, protocol: Protocol, data: Mails, rng: np.random.Generator) -> Table:
        """Return a table of the words that one client's unprotected update reveals, one row per setting.

        Args:
            weights: weights of the trained filter, by parameter name.
            protocol: settings of its federation, with plain aggregation.
            data: mails from which the client's are drawn.
            rng: generator of the mails and of the training's seeds.
        """
        wide = weights["embedding.weight"].shape[1] > 1
        rows = [
            [name, *_measure_setting(setting, weights, data, rng)]
            for name, setting in self._settings(protocol, not wide).items()
        ]
        shares = [share.replace("_", " ") for share in SHARES]
        columns = ["", *shares, "label named", "count named", "count in spam less in ham named"]
        return Table("What an unprotected update names", columns, rows)

    def _settings(self, protocol: Protocol, one_weight_per_word: bool) -> dict[str, Setting]:
        """Return the settings by the name of their row.

        Settings that recover word counts, or start from zero weights, need a filter with one weight per word.
        """
        mails, sgd = sorted(self.mails), replace(protocol, optimizer="sgd", learning_rate=SGD_RATE, momentum=0.0)
        most = mails[-1]
        settings = {describe_count(count): Setting(count, protocol) for count in mails}
        settings |= {f"{n} local epochs": Setting(most, replace(protocol, local_epochs=n)) for n in self.local_epochs}
        settings |= {f"batches of {n}": Setting(most, replace(protocol, batch_size=n)) for n in self.batch_sizes}
        settings |= {f"SGD, momentum {m:g}": Setting(most, replace(sgd, momentum=m)) for m in self.momenta}
        if not one_weight_per_word:
            return settings
        step = replace(sgd, local_epochs=1, batch_size=most)
        settings["first round, weights of zero"] = Setting(most, protocol, zero=True)
        settings["1 mail, one step of SGD"] = Setting(1, step, solved="ratio")
        for count in mails:
            name = f"{describe_count(count)}, one step of SGD, weights of zero"
            settings[name] = Setting(count, step, zero=True, solved="net")
        for count in self.apart:
            one = replace(step, batch_size=count)
            settings[f"{describe_count(count)}, one step of SGD"] = Setting(count, one, solved="apart")
        return settings

    def plot_means(self, weights: Weights, protocol: Protocol, data: Mails, rng: np.random.Generator) -> list[Figure]:
        """Plot how well the exact mean of several clients reveals one client's words.

        Args:
            weights: weights of the trained filter, by parameter name.
            protocol: settings of its federation, with plain aggregation.
            data: mails that are distributed to the clients.
            rng: generator of the mails and of the training's seeds.

        Returns:
            One figure, or none if there are too few mails for any number of clients.
        """
        each = min(max(self.mails), MOST_MAILS_IN_A_MEAN)
        possible = [count for count in sorted(self.clients) if count * each <= len(data.train)]
        shares: dict[str, list[Metric | None]] = {share: [] for share in (*SHARES, "label")}
        for count in possible:
            batches = draw_batches(data, [each] * count, rng)
            simulated = simulate_round(weights, protocol, batches, rng)
            mean = np.average(simulated.updates, 0, simulated.weights)[: simulated.words * simulated.dimension]
            rows = mean.reshape(simulated.words, simulated.dimension)
            for name, share in _measure_shares(rows, batches[0], data).items():
                shares[name].append(share)
        names = {name: f"{name.replace('_', ' ')} of one client's words" for name in shares}
        curves = [_build_curve(names[name], possible, metrics) for name, metrics in shares.items()]
        plotted = [curve for curve in curves if curve.x]
        if not plotted:
            return []
        return [Figure("What the exact mean names", "clients in the mean", "share", plotted, log_x=True)]


def describe_count(mails: int) -> str:
    """Format a number of mails, such as "1 mail" or "10 mails"."""
    return f"{mails} mail{'s' * (mails > 1)}"


def _measure_shares(rows: np.ndarray, batch: ClientBatch, data: Mails) -> dict[str, Metric | None]:
    """Measure the shares of a client's words, and of their labels, that changed rows reveal.

    Args:
        rows: update of the embedding, shape (words, dimension).
        batch: mails of the client.
        data: mails, for the numbers of rare words.

    Returns:
        The metrics by name: those of `SHARES`, and `label`.
    """
    leak = measure_leak(find_changed_words(rows), batch.words, data.rare_numbers)
    labels = label_recall(infer_labels(rows[:, 0]), *batch.one_sided) if rows.shape[1] == 1 else None
    return {share: getattr(leak, share) for share in SHARES} | {"label": labels}


def _measure_setting(setting: Setting, weights: Weights, data: Mails, rng: np.random.Generator) -> list[Metric | None]:
    batch = draw_batches(data, [setting.mails], rng)[0]
    begin = {key: np.zeros_like(weight) for key, weight in weights.items()} if setting.zero else weights
    simulated = simulate_round(begin, setting.protocol, [batch], rng)
    counts = _measure_counts(setting, simulated, batch, begin["embedding.weight"].ravel())
    return [*_measure_shares(simulated.embedding(0), batch, data).values(), *counts]


def _measure_counts(setting: Setting, simulated: Round, batch: ClientBatch, weights: np.ndarray) -> list[Metric | None]:
    """Return the shares of words whose exact count, and whose count in spam minus that in ham, is recovered.

    Unless the mails are told apart, the magnitude of the difference serves as the guess of the count. It is exact for
    words with one label only.
    """
    if not setting.solved:
        return [None, None]
    words, bias = simulated.updates[0, : simulated.words], float(simulated.updates[0, simulated.words])
    if setting.solved == "apart":
        mails = tell_mails_apart(words, weights, setting.mails)
        return [count_recall(mails.total(), batch.tokens), net_count_recall(mails.net(), batch.tokens, batch.labels)]
    if setting.solved == "net":
        net = solve_net_counts(words, setting.protocol.learning_rate, setting.mails)
    else:
        net = _solve_by_ratio(words, bias)
    return [
        count_recall({word: abs(count) for word, count in net.items()}, batch.tokens),
        net_count_recall(net, batch.tokens, batch.labels),
    ]


def _solve_by_ratio(words: np.ndarray, bias: float) -> dict[int, int]:
    """Recover the word counts of one mail from one step, negative for ham; empty if float32 rounding prevents it."""
    try:
        counts, label = solve_one_mail(words, bias)
    except ValueError:
        return {}
    return {word: count if label else -count for word, count in counts.items()}


def _build_curve(name: str, x: Sequence[int], metrics: Sequence[Metric | None]) -> Curve:
    """Return a curve of the points whose metric is defined."""
    points = [(position, metric) for position, metric in zip(x, metrics, strict=True) if metric is not None]
    return Curve(name, [position for position, _ in points], *ends([metric for _, metric in points]))
