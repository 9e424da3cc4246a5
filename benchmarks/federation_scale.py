"""Measure how federated training grows with the number of clients.

Usage: python benchmarks/federation_scale.py [--clients 10,100,1000] [--mails 10] [--sampled 10] [--rounds 3]

Generated mail is dealt to the clients, the same number of mails to each, and the filter of the pipeline
is trained in one process with one thread: with all clients in each round, and with a fixed number of sampled clients.
The fewest clients run twice, and the first run does not count. Prints the CPU seconds as ratios to those of the fewest
clients, the exponent, and the memory; then the accuracy on test mails.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from growth import measure, print_growth
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.training.federated import Federated
from veilbench.workflow.compose import composed, plain


def run(clients: int, options: argparse.Namespace, folder: Path) -> dict[str, tuple[float, float, float]]:
    """Return CPU seconds, bytes of memory and accuracy of each step."""
    mails = round(clients * options.mails / 0.6) + 1000  # .6 of them are for training
    words = [
        "model=mail_classifier",
        "data=mail_crowd",
        f"data.source.mails={mails}",
        f"data.source.senders={clients}",
        f"data.clients.count={clients}",
    ]
    config = plain(composed(words))
    data, found = build(config["data"]), dict[str, tuple[float, float, float]]()
    _, *cost = measure(lambda: data.prepare(folder))
    found["generate and prepare the mails"] = (*cost, np.nan)
    dealt = data.load(folder)
    for name, fraction in {
        "all clients": 1.0,
        f"{options.sampled} clients": min(1.0, options.sampled / clients),
    }.items():
        training, seeds = Federated(rounds=options.rounds, fraction=fraction), np.random.SeedSequence(0)
        module = build(config["model"])
        (model, _), *cost = measure(
            lambda training=training, module=module, seeds=seeds: training.fit(
                module, dealt, Accelerator("cpu"), seeds, folder
            )
        )
        right = (model.logits(dealt.test.tokens) > 0) == (dealt.test.labels == 1)
        found[f"train, {name} in each round"] = (*cost, float(right.mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", default="10,100,1000")
    parser.add_argument("--mails", type=int, default=10, help="training mails of each client")
    parser.add_argument("--sampled", type=int, default=10, help="clients in each round of the second training")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = sorted(int(word) for word in options.clients.split(","))
    steps, shares = defaultdict[str, list[tuple[float, float]]](list), defaultdict[str, list[str]](list)
    for number, clients in enumerate([sizes[0], *sizes]):
        with tempfile.TemporaryDirectory() as folder:
            for name, (seconds, memory, right) in run(clients, options, Path(folder)).items():
                if number:
                    steps[name].append((seconds, memory))
                    shares[name].append(f"{right:.1%}")
    print_growth("clients", sizes, steps)
    for name in list(shares)[1:]:
        print(f"\n{name}, accuracy: {', '.join(shares[name])}")


if __name__ == "__main__":
    main()
