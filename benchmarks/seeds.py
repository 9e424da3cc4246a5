"""Summarise a sweep over seeds: every headline metric's mean and range per experiment.

Usage: python benchmarks/seeds.py FOLDER [METRIC-PREFIX ...], after for example
    python pipelines/sweep.py -m experiment=cipher_small,cipher_large seed=range(3) hydra.sweep.dir=multirun/seeds
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from veilbench.experiment import load
from veilbench.tracking import headline, verdicts


def main(folder: Path, prefixes: tuple[str, ...]) -> None:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    words: dict[tuple[str, str], list[str]] = defaultdict(list)
    for config in sorted(folder.rglob("experiment.yaml")):
        name = load(config)["names"]["experiment"]
        for metric, value in headline(config.parent).items():
            if metric.startswith(prefixes or ("evaluate.", "attack.")):
                values[name, metric].append(value)
        for attack, verdict in verdicts(config.parent).items():
            words[name, attack].append(verdict)
    for (name, metric), found in sorted(values.items()):
        mean = sum(found) / len(found)
        print(f"{name:24} {metric:55} {mean:.4f} [{min(found):.4f}, {max(found):.4f}] over {len(found)} seeds")
    for (name, attack), said in sorted(words.items()):
        print(f"{name:24} {attack:55} {', '.join(said)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]))
