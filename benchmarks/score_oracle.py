"""Compare the paths of `template_oracle` at the budget of the small experiments.

    python benchmarks/score_oracle.py [raw_template random_projection biohash hashmap hashmap_hardened] [--seeds 1]

Each name is one of conf/experiment with the data `prints_small`. Prints one line per method, seed and path: the share
of victims for whom an image was accepted within the queries, with a 95 % interval, the gain above chance with a 99 %
interval, the verdict's, and CPU seconds. `chosen` marks the path that is better on people of the attacker's own, which
the attack reports. `noise` is its negative control, `pca_template` the positive control of evolution, and `regions`
that of recombination. `features of NAME` is the third positive control: the method's features without protection, once
for all methods with the same features. Without `--validation` the victims are those of the attack; with it they are the
auxiliary people, attacked with the images of the training people: settings are chosen there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.bench.findings import Metric
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.templates.attacks.oracle import FEATURES_OF_REGIONS, TemplateOracle
from veilbench.families.templates.attacks.system import TemplateSystem, enrol_victims, first_row_of_each
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.open_features import OpenFeatures
from veilbench.metrics.intervals import above_chance
from veilbench.workflow.compose import composed, plain

METHODS = ("raw_template", "random_projection", "biohash", "hashmap", "hashmap_hardened")


def prepare_data(config: dict[str, Any], seed: int) -> Identities:
    """Prepare the data as the stage `prepare` does."""
    data = build(config | {"seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        data.prepare(Path(folder))
        loaded: Identities = data.load(Path(folder))
    return loaded


def train(config: dict[str, Any], data: Identities, seed: int) -> TemplateScheme:
    """Train a method as the stage `train` does."""
    training, seeds = build(config["training"]), np.random.SeedSequence(seed)
    with tempfile.TemporaryDirectory() as folder:
        trained, _ = training.fit(build(config["model"]), data, Accelerator("cpu"), seeds, Path(folder))
    assert isinstance(trained, TemplateScheme)
    return trained


def take_validation_people(data: Identities) -> Identities:
    """Return the data with the auxiliary people enrolled, and the training people as the attacker's."""
    people = data.auxiliary
    enrolled = np.isin(np.arange(len(people)), first_row_of_each(people.identities))
    return replace(data, auxiliary=data.train, enrolment=people.subset(enrolled), probe=people.subset(~enrolled))


def show(metric: Metric) -> str:
    return f"{metric.value:.2f} [{metric.low:.2f}, {metric.high:.2f}]"


def measure(name: str, attack: TemplateOracle, scheme: TemplateScheme, data: Identities, seed: int) -> None:
    """Attack one method by every path, and print what each reaches."""
    rng, queries = np.random.default_rng(seed), attack.queries.most
    system: TemplateSystem = enrol_victims(scheme, data, attack.operating_point, rng)
    own = data.auxiliary.images[rng.permutation(len(data.auxiliary))]
    chosen = attack.paths.choose(system, data.auxiliary, rng)
    for path in attack.paths.names():
        started = time.process_time()
        counter, _ = attack.paths.take(path, system, own, rng)
        spent = time.process_time() - started
        share = system.share_accepted(counter.highest, confidence=CONFIDENCE)
        gain = above_chance(share, attack.operating_point.blind_success(queries))
        accepted = show(system.share_accepted(counter.highest))
        print(
            f"{name}, seed {seed}, {path}: accepted {accepted}, gain {show(gain)}, {spent:.1f} s"
            f"{', chosen' * (path == chosen)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("methods", nargs="*", default=METHODS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--validation", action="store_true")
    arguments = parser.parse_args()
    for seed in range(arguments.seeds):
        data = prepare_data(plain(composed([f"experiment={METHODS[0]}"]))["data"], seed)
        victims, attacked = take_validation_people(data) if arguments.validation else data, set[str]()
        for name in arguments.methods:
            config = plain(composed([f"experiment={name}"]))
            attack = build(config["attack"]["template_oracle"])
            scheme = train(config, data, seed)
            measure(name, attack, scheme, victims, seed)
            openly = OpenFeatures.of(scheme)
            if (features := openly.variant(data.auxiliary.samples[:4])) not in attacked:
                attacked.add(features)
                measure(f"features of {name}", attack, openly, victims, seed)
        controls = {"noise": attack.negative, "pca_template": attack.positive, "regions": FEATURES_OF_REGIONS}
        for name, control in controls.items():
            measure(name, attack, control.fit(data, np.random.default_rng(seed)), victims, seed)


if __name__ == "__main__":
    main()
