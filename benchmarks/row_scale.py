"""Measure how time and memory grow with the number of rows.

Usage: python benchmarks/row_scale.py [--rows 1000,10000,100000,1000000] [--epochs 1] [--batch 1024]

The steps of an experiment are run on generated card payments (conf/data/card_transactions.yaml): `prepare` (generate,
drop duplicates, split, scale, write), `load`, `train` (conf/model/anomaly.yaml for a fixed number of epochs: the
default training stops at 600 steps, so its time does not grow beyond 1,536 rows), `score` of all test rows, and fit and
score of the baselines. For nearest neighbours, which search over all pairs, the test rows are cut to 2,000.

Prints for each step the CPU time (one thread; less dependent on load than wall time) relative to the smallest size, and
the slope of a line fitted to the logarithms: 1 is linear, and below 1 there are fixed costs. Then it prints the
increase at the peak of memory (VmHWM, Linux only) during the step, in multiples of the bytes of all rows in float32.
The smallest size runs twice, and the first run does not count.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from growth import fit_exponent, measure
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.isolation_forest import IsolationForest
from veilbench.families.autoencoders.baselines.mahalanobis import Mahalanobis
from veilbench.families.autoencoders.baselines.nearest_neighbours import NearestNeighbours
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.data.rows import RowsData
from veilbench.training.whole_epochs import WholeEpochs
from veilbench.workflow.compose import composed, plain

NEIGHBOURS_FOR = 2_000  # test rows
BASELINES = (InputNorm(), Pca(8), Mahalanobis(), IsolationForest(), NearestNeighbours(5))


def steps(rows: int, epochs: int, batch: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Measure CPU seconds and peak bytes of each step for a number of rows."""
    config = plain(composed(["model=anomaly", "data=card_transactions", f"data.source.rows={rows}"]))
    found: dict[str, tuple[float, float]] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        made, *found[name] = measure(work)  # type: ignore[misc]
        return made

    data: RowsData = build(config["data"])
    step("prepare", lambda: data.prepare(folder))
    dealt = step("load", lambda: data.load(folder))
    training, seeds = WholeEpochs(epochs, batch, 25), np.random.SeedSequence(0)
    fit = lambda: training.fit(build(config["model"]), dealt, Accelerator("cpu"), seeds, folder)[0]  # noqa: E731
    model = step("train", fit)
    step("score", lambda: model.score(dealt.test.x))
    for baseline in BASELINES:
        test = dealt.test.x[: NEIGHBOURS_FOR if isinstance(baseline, NearestNeighbours) else None]
        step(type(baseline).__name__, lambda b=baseline, x=test: b.fit(dealt, np.random.default_rng(0)).score(x))
    found["bytes"] = (0.0, rows * 4.0 * int(np.prod(dealt.shape)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="1000,10000,100000,1000000")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1024)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = sorted(int(n) for n in options.rows.split(","))
    every = []
    for rows in [sizes[0], *sizes]:
        with tempfile.TemporaryDirectory() as folder:
            every.append(steps(rows, options.epochs, options.batch, Path(folder)))
        print(f"{rows:>9,} rows", flush=True)
    every = every[1:]
    heading = "".join(f"{rows:>12,}" for rows in sizes)
    print(f"\nCPU seconds over the first\n{'rows':20}{heading}{'exponent':>10}{'seconds of the first':>22}")
    names = [name for name in every[0] if name != "bytes"]
    for name in names:
        seconds = np.array([found[name][0] for found in every])
        exponent = fit_exponent(sizes, list(seconds))
        print(
            f"{name:20}" + "".join(f"{s / seconds[0]:12.1f}" for s in seconds) + f"{exponent:10.2f}{seconds[0]:22.3f}"
        )
    print(f"\npeak memory beyond the data, over the data\n{'rows':20}{heading}")
    for name in names:
        print(f"{name:20}" + "".join(f"{found[name][1] / found['bytes'][1]:12.2f}" for found in every))


if __name__ == "__main__":
    main()
