"""Measure the accuracy of mail filters under differential privacy for several noise levels and numbers of clients.

    python benchmarks/mail_privacy.py [--seeds 3]

Data is the generated corpus `mail_small`: 3,000 training mails split equally among the clients, 3 rounds of 3 local
epochs. Prints one line per setting: accuracy on the test mails, mean and range over the seeds, and the accountant's
epsilon for a client with all its mails and for one mail, at delta 1e-5.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from mail import accuracy, prepare_data
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings
from veilbench.families.mail.data.clients import EqualClients
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.central_dp import CentralDp
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.aggregations.example_dp import ExampleDp
from veilbench.federated.aggregations.plain import Plain
from veilbench.training.federated import Federated

CLIENTS, NOISES = (3, 10, 30, 100), (1.0, 2.0, 4.0)
STEEP = {"optimizer": "sgd", "learning_rate": 4.0}  # for clipped gradients; chosen on the validation mails of seed 0


def settings(clients: int) -> list[tuple[str, Aggregation, int, dict[str, object]]]:
    """Return the settings to compare: title, aggregation, batch size and settings of the model."""
    made: list[tuple[str, Aggregation, int, dict[str, object]]] = [("plain", Plain(), 128, {})]
    made += [(f"central_dp, noise {noise:g}", CentralDp(1.0, noise), 128, {}) for noise in NOISES]
    made += [("client_local_dp, noise 2", ClientLocalDp(1.0, 2.0), 128, {})]
    if clients <= 10:
        made += [(f"example_dp, noise {noise:g}", ExampleDp(1.0, noise), 256, STEEP) for noise in NOISES]
    return made


def train(
    mails: Mails, aggregation: Aggregation, batch: int, model: dict[str, object], seed: int
) -> tuple[float, Findings]:
    training, module = Federated(aggregation, 3, 3, batch), MailClassifier(**model)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        fitted, found = training.fit(module, mails, Accelerator("cpu"), np.random.SeedSequence(seed), Path(folder))
    return accuracy(fitted, mails), found


def line(title: str, clients: int, shares: list[float], found: Findings) -> str:
    whole, example = (found.metrics.get(name) for name in ("epsilon", "example_epsilon"))
    told = [f"{what} {metric.value:.1f}" for what, metric in (("client", whole), ("mail", example)) if metric]
    spread = f"[{100 * min(shares):.1f}, {100 * max(shares):.1f}]"
    return f"{clients} clients, {title}: {100 * np.mean(shares):.1f} % {spread}, epsilon {', '.join(told) or 'none'}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    corpora = [prepare_data("mail_small", seed) for seed in seeds]
    for clients in CLIENTS:
        for title, aggregation, batch, model in settings(clients):
            shares = []
            for seed, mails in zip(seeds, corpora, strict=True):
                deal = EqualClients(clients).deal(mails.train.labels, mails.train.topics, np.random.default_rng(seed))
                share, found = train(replace(mails, clients=deal), aggregation, batch, model, seed)
                shares.append(share)
            print(line(title, clients, shares, found), flush=True)


if __name__ == "__main__":
    main()
