"""Measure the cost of mail filters: training, a federation and an encrypted round, as ratios if possible.

    python benchmarks/mail_cost.py [--repeats 3]

Times are CPU seconds of one process, so that the load of other processes does not count; for central training the wall
time is printed, too:

- Central training, 3 epochs over 42,000 mails of 500 words, compared with scikit-learn's SGDClassifier on the same
  counts, and peak memory. Word ids are drawn from Zipf's law, because only time and memory matter here.
- An epoch over 1,600 of these mails, compared with a plain NumPy loop: one weight per word, summed over the words of a
  mail, a sigmoid, stochastic gradient descent in batches; written for this comparison after the source system's
  description.
- Three clients of 1,000, 1,000 and the rest of 12,000 mails, 3 rounds, compared with the sum of the clients' own
  training times.
- A round under CKKS for 3 clients and 50,636 weights, with its largest error, compared with Paillier on 1,000 weights.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier

from veilbench.bench.accelerator import Accelerator
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.data.vocabulary import FIRST_WORD, Vocabulary
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.local_round import apply_update, train_client
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.training.federated import Federated
from veilbench.training.whole_epochs import WholeEpochs

WORDS, LONGEST, CLIENTS, PAILLIER_WEIGHTS = 50_633, 500, 3, 1_000
WEIGHTS = WORDS + FIRST_WORD + 1


def make_mails(count: int, rng: np.random.Generator) -> Mails:
    """Generate mails of full length whose labels depend on their words."""
    tokens = (FIRST_WORD + (rng.zipf(1.2, (count, LONGEST)) - 1) % WORDS).astype(np.int32)
    leaning = rng.normal(0, 1, WORDS + FIRST_WORD)
    sums = leaning[tokens].sum(1)
    labels = (sums > np.median(sums)).astype(np.int64)
    clients = np.repeat(np.arange(CLIENTS), [1_000, 1_000, count - 2_000]) if count > 2_000 else np.zeros(count, int)
    part, few = MailPart(tokens, labels, labels), MailPart(tokens[:100], labels[:100], labels[:100])
    return Mails(part, few, few, few, clients, Vocabulary([], WORDS), [], np.zeros(0, bool))


def seconds(work: Callable[[], object]) -> float:
    """Measure the CPU time of a call, in seconds."""
    started = time.process_time()
    work()
    return time.process_time() - started


def fit(training: Federated | WholeEpochs, mails: Mails) -> None:
    with tempfile.TemporaryDirectory() as folder:
        training.fit(MailClassifier(), mails, Accelerator("cpu"), np.random.SeedSequence(0), Path(folder))


def numpy_epoch(tokens: np.ndarray, labels: np.ndarray, batch_size: int, rate: float) -> np.ndarray:
    """Train for one epoch, mail by mail within a batch, and return the weights of the words."""
    weights, bias = np.zeros(WORDS + FIRST_WORD), 0.0
    for start in range(0, len(tokens), batch_size):
        gradient, wrong = np.zeros_like(weights), 0.0
        batch = range(start, min(start + batch_size, len(tokens)))
        for mail in batch:
            error = 1 / (1 + np.exp(-(weights[tokens[mail]].sum() + bias))) - labels[mail]
            for word in tokens[mail]:
                gradient[word] += error
            wrong += error
        weights -= rate * gradient / len(batch)
        bias -= rate * wrong / len(batch)
    return weights


def train_alone(mails: Mails) -> None:
    """Run the clients' local training of three rounds without a federation."""
    protocol = Protocol(describe_aggregation(Plain()))
    first = {"embedding.weight": np.zeros((WORDS + FIRST_WORD, 1), np.float32), "bias.weight": np.zeros((1, 1), "f")}
    for who in range(CLIENTS):
        weights, own = first, mails.clients == who
        tokens, labels = mails.train.tokens[own], mails.train.labels[own]
        for number in range(3):
            weights = apply_update(weights, train_client(weights, tokens, labels, protocol, number))


def one_round(aggregation: Aggregation, size: int) -> float:
    """Measure the seconds to protect, add and open the updates, for all clients together."""
    clients, aggregator = aggregation.setup(CLIENTS, np.random.SeedSequence(0))
    updates = np.random.default_rng(0).normal(0, 0.01, (CLIENTS, size))
    started = time.process_time()
    messages = [client.protect(update, 1 / CLIENTS) for client, update in zip(clients, updates, strict=True)]
    combined = aggregator.combine(messages)
    means = [client.open(combined) for client in clients]
    taken = time.process_time() - started
    error, kind = max(float(np.abs(mean - updates.mean(0)).max()) for mean in means), type(aggregation).__name__
    print(f"{kind}, {size:,} weights: {taken:.2f} s a round, {len(messages[0]):,} bytes up, largest error {error:.1e}")
    return taken


def peak() -> float:
    """Return the peak memory of this process so far, in GiB."""
    found = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    return int(found) / 2**20


def ratio(title: str, one: Callable[[], object], other: Callable[[], object], repeats: int) -> None:
    """Measure the ratio of two times, alternately, so that both run under the same load."""
    pairs = [(seconds(one), seconds(other)) for _ in range(repeats)]
    ratios = sorted(a / b for a, b in pairs)
    middle, first = ratios[len(ratios) // 2], sorted(a for a, _ in pairs)[len(pairs) // 2]
    print(f"{title}: {middle:.3g} [{ratios[0]:.3g}, {ratios[-1]:.3g}], the first in {first:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    repeats, rng = parser.parse_args().repeats, np.random.default_rng(0)
    fit(WholeEpochs(1), make_mails(100, rng))  # imports
    mails = make_mails(42_000, rng)
    before = peak()
    started = time.perf_counter()
    taken = seconds(lambda: fit(WholeEpochs(3), mails))
    told = f"{taken:.1f} s, {time.perf_counter() - started:.1f} by the clock"
    print(f"central, 3 epochs over 42,000 mails: {told}, peak {peak():.2f} GiB, {before:.2f} before", flush=True)
    counts = word_counts(mails.train.tokens, mails.vocabulary.size)
    sgd = SGDClassifier(loss="log_loss", max_iter=3, tol=None, random_state=0)
    ratio(
        "SGDClassifier over central", lambda: sgd.fit(counts, mails.train.labels), lambda: fit(WholeEpochs(3), mails), 1
    )
    few = make_mails(1_600, rng)
    tokens, labels = few.train.tokens, few.train.labels
    ratio("numpy loop over central", lambda: numpy_epoch(tokens, labels, 128, 0.1), lambda: fit(WholeEpochs(1), few), 1)
    some = make_mails(12_000, rng)
    ratio("federation over its clients alone", lambda: fit(Federated(), some), lambda: train_alone(some), repeats)
    packed = min(one_round(Ckks(), WEIGHTS) for _ in range(repeats))
    single = one_round(Paillier(), PAILLIER_WEIGHTS) * WEIGHTS / PAILLIER_WEIGHTS
    print(f"Paillier at {WEIGHTS:,} weights, extrapolated: {single:,.0f} s a round, {single / packed:,.0f} x CKKS")


if __name__ == "__main__":
    main()
