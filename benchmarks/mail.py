"""Compare the accuracy of central, federated and encrypted mail filters with logistic regression on the same words.

    python benchmarks/mail.py mail sms enron [--seeds 3]

Each name is one of conf/data; real corpora are expected in ../shared/data, or in VEILBENCH_SHARED_DATA. The model is
that of the experiment `mail_<name>` if it exists, otherwise that of `mail_federated`. Prints one line per training:
accuracy on the test mails, mean and range over the seeds, and the mean difference from logistic regression. For costs
see mail_cost.py.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.federated.aggregations.ckks import Ckks
from veilbench.federated.aggregations.plain import Plain
from veilbench.training.federated import Federated
from veilbench.training.whole_epochs import WholeEpochs
from veilbench.workflow.compose import composed, plain

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("VEILBENCH_SHARED_DATA", ROOT.parent / "shared" / "data"))


def compose_config(name: str) -> dict[str, Any]:
    """Compose the experiment for this data."""
    own = f"mail_{name}" if (ROOT / f"conf/experiment/mail_{name}.yaml").is_file() else "mail_federated"
    return plain(composed([f"experiment={own}", f"data={name}"]))


def prepare_data(name: str, seed: int) -> Mails:
    """Prepare the data as the stage `prepare` does."""
    config = compose_config(name)["data"] | {"seed": seed}
    if "path" in config["source"]:
        inner = config["source"]["path"].removeprefix("../shared/data/")
        config["source"] = config["source"] | {"path": str(SHARED / inner)}
    data = build(config)
    with tempfile.TemporaryDirectory() as folder:
        data.prepare(Path(folder))
        loaded: Mails = data.load(Path(folder))
    return loaded


def trainings() -> Iterator[tuple[str, Any]]:
    """Return the trainings to compare, with their titles."""
    yield "central", WholeEpochs(3)
    yield "federated", Federated(Plain(), 3)
    yield "ckks", Federated(Ckks(), 3)


def accuracy(trained: Any, mails: Mails) -> float:
    """Compute the accuracy on the test mails."""
    assert isinstance(trained, SpamScorer)
    return float(((trained.logits(mails.test.tokens) > 0) == mails.test.labels).mean())


def one_seed(name: str, seed: int) -> dict[str, float]:
    """Run all trainings with one seed, and return the accuracy of each."""
    mails, model = prepare_data(name, seed), compose_config(name)["model"]
    shares = {"logistic": accuracy(LogisticFilter().fit(mails, np.random.default_rng(seed)), mails)}
    for title, training in trainings():
        with tempfile.TemporaryDirectory() as folder:
            seeds = np.random.SeedSequence(seed)
            trained, _ = training.fit(build(model), mails, Accelerator("cpu"), seeds, Path(folder))
        shares[title] = accuracy(trained, mails)
    return shares


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="*", default=["mail", "sms", "enron"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.data:
        found = [one_seed(name, seed) for seed in range(arguments.seeds)]
        for title in found[0]:
            shares = 100 * np.array([by_training[title] for by_training in found])
            apart = float(np.mean(shares - 100 * np.array([by_training["logistic"] for by_training in found])))
            spread = f"[{shares.min():.2f}, {shares.max():.2f}]"
            print(f"{name} {title}: {shares.mean():.2f} % {spread}, {apart:+.2f} against logistic", flush=True)


if __name__ == "__main__":
    main()
