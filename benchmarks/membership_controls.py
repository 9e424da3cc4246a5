"""Measure LiRA's positive controls, `MarkedRows` and `MarkedMails`, for several offsets on fresh seeds.

    python benchmarks/membership_controls.py [--experiments undercomplete,anomaly,mail_central] [--offsets 1.75,2]
        [--first 100] [--seeds 10]

For each seed, the data of the experiment is split and its model trained anew. The control must be broken by LiRA: the
lower end of the gain's 99 % interval must reach the attack's threshold, 0.8. A threshold on the loss or the confidence
must not suffice. Prints one line per experiment and offset: in how many seeds LiRA breaks the control, the lowest lower
end, and the highest gain of the threshold.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pipelines.compose import composed, plain

from veilbench.attack_methods.membership_attack import LIRA, MembershipAttack
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build

CPU = Accelerator("cpu")


def prepare(config: dict[str, Any], seed: int) -> tuple[Any, Any]:
    """Prepare the data and train the model of an experiment, both with this seed."""
    source = build(config["data"] | {"seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        source.prepare(Path(folder))
        data = source.load(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        fit = build(config["training"]).fit
        return data, fit(build(config["model"]), data, CPU, np.random.SeedSequence(seed), Path(folder))[0]


def attack_control(
    attack: MembershipAttack[Any, Any, Any], target: Any, data: Any, offset: float, seed: int
) -> tuple[float, float]:
    """Return the lower end of LiRA's gain on its positive control, and the gain of the threshold."""
    rng, case = np.random.default_rng(seed), attack.plant_offset(target, data)
    case.scheme.offset = offset  # type: ignore[union-attr]
    made = case.scheme.fit(data, rng)  # type: ignore[union-attr]
    game = attack.set_up(made, data, CPU, rng)
    gains = [attack.distinguish(game, [path])[0].gain for path in (LIRA, attack.threshold)]
    return gains[0].low, gains[1].value  # type: ignore[union-attr]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", default="undercomplete,anomaly,mail_central,mail_federated")
    parser.add_argument("--offsets", default="", help="offsets to try, such as 1.75,2; the class's own by default")
    parser.add_argument("--first", type=int, default=100, help="first seed; the tests use small ones")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.experiments.split(","):
        config = plain(composed([f"experiment={name}"]))
        (attack,) = (a for a in build(config["attack"]).values() if isinstance(a, MembershipAttack))
        found: dict[float, list[tuple[float, float]]] = {}
        for seed in range(options.first, options.first + options.seeds):
            data, target = prepare(config, seed)
            own = attack.plant_offset(target, data).scheme.offset  # type: ignore[union-attr]
            for offset in [float(one) for one in options.offsets.split(",") if one] or [own]:
                found.setdefault(offset, []).append(attack_control(attack, target, data, offset, seed))
        for offset, gains in found.items():
            low, threshold = np.array(gains).T
            reached = int((low >= attack.broken_threshold).sum())
            print(
                f"{name}, offset {offset:g}: broken in {reached} of {len(gains)}, LiRA at least {low.min():.2f}, "
                f"threshold at most {threshold.max():.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
