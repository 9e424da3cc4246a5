"""How do time and memory grow with the rows?

Usage: python benchmarks/row_scale.py [--rows 1000,10000,100000,1000000] [--epochs 1] [--batch 1024]

Generated card payments (conf/data/card_transactions.yaml) go through what an experiment does with them: `prepare`
(generate, drop repeats, deal, scale, write), `load`, `train` (conf/model/anomaly.yaml for a fixed number of epochs: the
shipped training stops at 600 steps, so that its time does not grow beyond 1,536 rows), `score` of all test rows, and
fit and score of the baselines, the test rows cut to 2,000 for the neighbours alone, whose search is over all pairs.

Prints per step the seconds of CPU time (one thread; on a busy machine they say more than the clock does) over those of
the smallest size, and the exponent of a straight line through their logarithms: 1 is linear, below 1 means that a fixed
part counts. Then the peak of memory (VmHWM, Linux only) beyond what was there before the step, in units of the bytes
of all rows in float32. The smallest size runs twice, and the first time does not count.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pipelines.compose import composed, plain

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.baselines.isolation_forest import IsolationForest
from veilbench.families.autoencoders.baselines.mahalanobis import Mahalanobis
from veilbench.families.autoencoders.baselines.nearest_neighbours import NearestNeighbours
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.data.rows import RowsData
from veilbench.training.whole_epochs import WholeEpochs

NEIGHBOURS_FOR = 2_000  # test rows
BASELINES = (InputNorm(), Pca(8), Mahalanobis(), IsolationForest(), NearestNeighbours(5))


def memory(field: str) -> float:
    """Bytes: VmRSS now, VmHWM at the most since it was reset."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{field}:\s+(\d+)", status)[0]) * 1024.0


def measured(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it gives, the seconds of CPU time, and the bytes at the peak beyond those before."""
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before, started = memory("VmRSS"), time.process_time()
    made = work()
    return made, time.process_time() - started, memory("VmHWM") - before


def steps(rows: int, epochs: int, batch: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Seconds of CPU time and bytes at the peak, for each step, at so many rows."""
    config = plain(composed(["model=anomaly", "data=card_transactions", f"data.source.rows={rows}"]))
    found: dict[str, tuple[float, float]] = {}

    def step(name: str, work: Callable[[], Any]) -> Any:
        made, *found[name] = measured(work)  # type: ignore[misc]
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
        exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
        print(
            f"{name:20}" + "".join(f"{s / seconds[0]:12.1f}" for s in seconds) + f"{exponent:10.2f}{seconds[0]:22.3f}"
        )
    print(f"\npeak memory beyond the data, over the data\n{'rows':20}{heading}")
    for name in names:
        print(f"{name:20}" + "".join(f"{found[name][1] / found['bytes'][1]:12.2f}" for found in every))


if __name__ == "__main__":
    main()
