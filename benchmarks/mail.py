"""Mail filters: accuracy of central, federated and encrypted training, and what they cost.

    python benchmarks/mail.py mail sms enron [--seeds 3]

Each name is one of conf/data; real corpora are looked for in ../shared/data, or in VEILBENCH_SHARED_DATA. Prints a line
per seed and training: accuracy beside that of logistic regression, seconds, and seconds over those of scikit-learn's
SGDClassifier on the same counts; then a CKKS round for 3 clients and 50,636 weights, and Paillier's on 1,000 of them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pipelines.compose import composed, plain
from sklearn.linear_model import SGDClassifier

from veilbench.accelerator import Accelerator
from veilbench.baselines.logistic_filter import LogisticFilter
from veilbench.data.mail import Mails
from veilbench.data.word_counts import word_counts
from veilbench.experiment import build
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.paillier import Paillier
from veilbench.federated.aggregations.plain import Plain
from veilbench.mail.spam_scorer import SpamScorer
from veilbench.modules.mail_classifier import MailClassifier
from veilbench.training.federated import Federated
from veilbench.training.whole_epochs import WholeEpochs

SHARED = Path(os.environ.get("VEILBENCH_SHARED_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
WEIGHTS, CLIENTS, PAILLIER_WEIGHTS = 50_636, 3, 1_000


def prepared(name: str, seed: int) -> Mails:
    config = plain(composed([f"data={name}", "model=mail_classifier"]))["data"] | {"seed": seed}
    if "path" in config["source"]:
        inner = config["source"]["path"].removeprefix("../shared/data/")
        config["source"] = config["source"] | {"path": str(SHARED / inner)}
    data = build(config)
    with tempfile.TemporaryDirectory() as folder:
        data.prepare(Path(folder))
        loaded: Mails = data.load(Path(folder))
    return loaded


def trainings() -> Iterator[tuple[str, Any]]:
    yield "central", WholeEpochs(3)
    yield "federated", Federated(Plain(), 3)
    yield "ckks", Federated(Ckks(), 3)


def accuracy(subject: Any, mails: Mails) -> float:
    assert isinstance(subject, SpamScorer)
    return float(((subject.logits(mails.test.tokens) > 0) == mails.test.labels).mean())


def one_seed(name: str, seed: int) -> None:
    mails = prepared(name, seed)
    size = mails.vocabulary.size
    usual = accuracy(LogisticFilter().fit(mails, np.random.default_rng(seed)), mails)
    started = time.perf_counter()
    bags = word_counts(mails.train.tokens, size)
    SGDClassifier(loss="log_loss", max_iter=3, tol=None, random_state=seed).fit(bags, mails.train.labels)
    sgd = time.perf_counter() - started
    for title, training in trainings():
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            seeds = np.random.SeedSequence(seed)
            subject, _ = training.fit(MailClassifier(), mails, Accelerator("cpu"), seeds, Path(folder))
            seconds = time.perf_counter() - started
        print(
            f"{name} seed {seed} {title}: {100 * accuracy(subject, mails):.2f} % "
            f"(logistic regression {100 * usual:.2f} %), {seconds:.1f} s, {seconds / sgd:.1f} x SGDClassifier"
        )


def one_round(aggregation: Aggregation, size: int) -> float:
    rng = np.random.default_rng(0)
    clients, aggregator = aggregation.setup(CLIENTS, np.random.SeedSequence(0))
    updates = rng.normal(0, 0.01, (CLIENTS, size))
    started = time.perf_counter()
    messages = [client.protect(update, 1 / CLIENTS) for client, update in zip(clients, updates, strict=True)]
    combined = aggregator.combine(messages)
    means = [client.open(combined) for client in clients]
    seconds = time.perf_counter() - started
    error = max(float(np.abs(mean - updates.mean(0)).max()) for mean in means)
    kind = type(aggregation).__name__
    print(f"{kind}, {size:,} weights, {CLIENTS} clients: {seconds:.2f} s a round, largest error {error:.1e}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="*", default=["mail", "sms", "enron"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.data:
        for seed in range(arguments.seeds):
            one_seed(name, seed)
    packed = one_round(Ckks(), WEIGHTS)
    single = one_round(Paillier(), PAILLIER_WEIGHTS) * WEIGHTS / PAILLIER_WEIGHTS
    print(f"Paillier at {WEIGHTS:,} weights, extrapolated: {single:,.0f} s a round, {single / packed:,.0f} x CKKS")


if __name__ == "__main__":
    main()
