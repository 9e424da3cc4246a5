"""Summarise a sweep over seeds: every headline metric's mean and range per experiment and setting.

Usage: python benchmarks/seeds.py FOLDER [METRIC-PREFIX ...], after for example
    python pipelines/sweep.py -m experiment=cipher_small,cipher_large seed=range(3) hydra.sweep.dir=multirun/seeds
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from veilbench.bench.experiment import load
from veilbench.bench.tracking import read_headline, read_verdicts


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten settings to dotted names."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, child in node.items() for k, v in flat(child, f"{prefix}.{key}".lstrip(".")).items()}


def labels(folder: Path) -> dict[Path, str]:
    """Label each record with its experiment and the settings, other than seeds, in which the sweep's records differ."""
    settings = {path.parent: flat(load(path)) for path in sorted(folder.rglob("experiment.yaml"))}
    names = {key for found in settings.values() for key in found if not key.startswith("digests.")}
    varied = [k for k in sorted(names) if len({str(found.get(k)) for found in settings.values()}) > 1]
    told = [k for k in varied if not k.endswith("seed") and not k.startswith("names.")]
    return {
        record: " ".join([found["names.experiment"], *(f"{k}={found.get(k)}" for k in told if k in found)])
        for record, found in settings.items()
    }


def main(folder: Path, prefixes: tuple[str, ...]) -> None:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    words: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record, name in labels(folder).items():
        for metric, value in read_headline(record).items():
            if metric.startswith(prefixes or ("evaluate.", "attack.")):
                values[name, metric].append(value)
        for attack, verdict in read_verdicts(record).items():
            words[name, attack].append(verdict)
    for (name, metric), found in sorted(values.items()):
        mean = sum(found) / len(found)
        print(f"{name:32} {metric:45} {mean:.4f} [{min(found):.4f}, {max(found):.4f}] over {len(found)} seeds")
    for (name, attack), said in sorted(words.items()):
        print(f"{name:32} {attack:45} {', '.join(said)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(sys.argv[2:]))
