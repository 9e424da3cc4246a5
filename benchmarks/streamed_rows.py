"""Measure the memory that a table needs, read as a whole and streamed from Parquet, against its number of rows.

Usage: python benchmarks/streamed_rows.py [--rows 10000,100000,1000000] [--epochs 1] [--batch 1024]
    [--evaluated 1000000]

Generated card payments (conf/data/card_transactions.yaml) are written to a Parquet file in row groups of 100,000 rows.
Then `prepare`, `train` (conf/model/anomaly.yaml) and `evaluate` (evaluation.anomaly with PCA and an isolation forest as
baselines) run on the file, as a whole and with `data.streamed=true`; each of them in a process of its own.

Prints for each step CPU seconds, and the increase at the peak of the memory that belongs to the process alone (RssAnon,
looked at every 10 ms; mapped files are left out, because the system takes their memory back when it needs it). At the
end: exponents, and the AUROC. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from growth import fit_exponent, read_memory

STEPS = ("prepare", "train", "evaluate")
GROUP = 100_000  # rows of a row group


def write_payments(path: Path, rows: int) -> None:
    """Write generated payments to a Parquet file, a row group at a time."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from veilbench.families.autoencoders.data.generators.card_transactions import CardTransactions

    writer = None
    for first in range(0, rows, GROUP):
        raw = CardTransactions(rows=min(GROUP, rows - first)).read(np.random.default_rng(first))
        frame = pd.DataFrame(raw.x, columns=raw.features).assign(label=np.array(raw.labels)[raw.y])
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def measure(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Call a function, and return its result, the CPU seconds, and the increase of RssAnon at its peak in bytes."""
    before, started, peak, ended = read_memory("RssAnon"), time.process_time(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.01):
            peak = max(peak, read_memory("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    made = work()
    seconds = time.process_time() - started
    ended.set()
    watcher.join()
    return made, seconds, max(peak - before, 1.0)


def run_steps(path: Path, streamed: bool, epochs: int, batch: int, evaluates: bool) -> dict[str, Any]:
    """Prepare, train and, if asked, evaluate in this process."""
    import torch

    from veilbench.bench.accelerator import Accelerator
    from veilbench.bench.experiment import build
    from veilbench.families.autoencoders.baselines.isolation_forest import IsolationForest
    from veilbench.families.autoencoders.baselines.pca import Pca
    from veilbench.families.autoencoders.evaluations.anomaly import Anomaly
    from veilbench.training.whole_epochs import WholeEpochs
    from veilbench.workflow.compose import composed, plain

    torch.set_num_threads(1)
    table = ["model=anomaly", "data=parquet", f"data.source.path={path}", "data.source.label=label"]
    config = plain(composed([*table, "data.normal=[normal]", f"data.streamed={streamed}"]))
    data, found = build(config["data"]), {}
    with tempfile.TemporaryDirectory() as name:
        folder, seeds, trainer = Path(name), np.random.SeedSequence(0), Accelerator("cpu")
        training, evaluation = WholeEpochs(epochs, batch, 25), Anomaly(baselines=[Pca(8), IsolationForest()])
        warm_up(training, config, trainer)
        _, *found["prepare"] = measure(lambda: data.prepare(folder))
        fit = lambda: training.fit(build(config["model"]), data.load(folder), trainer, seeds, folder)[0]  # noqa: E731
        model, *found["train"] = measure(fit)
        if evaluates:
            examine = lambda: evaluation.examine(model, data.load(folder), trainer, seeds)  # noqa: E731
            findings, *found["evaluate"] = measure(examine)
            found["auroc"] = findings.metrics["auroc"].value
    return found


def warm_up(training: Any, config: dict[str, Any], trainer: Any) -> None:
    """Run all steps on a few payments, so that the imports and what the libraries keep do not count."""
    from veilbench.bench.experiment import build
    from veilbench.families.autoencoders.evaluations.anomaly import Anomaly

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_payments(folder / "few.parquet", 5_000)
        source = {**config["data"]["source"], "path": str(folder / "few.parquet")}
        data = build({**config["data"], "source": source})
        data.prepare(folder)
        model = training.fit(build(config["model"]), data.load(folder), trainer, np.random.SeedSequence(0), folder)[0]
        Anomaly().examine(model, data.load(folder), trainer, np.random.SeedSequence(0))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--evaluated", type=int, default=1_000_000, help="largest number of rows that are evaluated")
    parser.add_argument("--file", type=Path, help="measure on this file alone, in this process")
    parser.add_argument("--streamed", action="store_true", help="with --file: stream it")
    options = parser.parse_args()
    if options.file:
        evaluates = options.evaluated > 0
        print(json.dumps(run_steps(options.file, options.streamed, options.epochs, options.batch, evaluates)))
        return
    sizes = sorted(int(number) for number in options.rows.split(","))
    found: dict[str, list[dict[str, Any]]] = {"as a whole": [], "streamed": []}
    with tempfile.TemporaryDirectory() as folder:
        for rows in sizes:
            path = Path(folder) / f"{rows}.parquet"
            write_payments(path, rows)
            for name, every in found.items():
                command = [sys.executable, __file__, "--file", path, "--epochs", options.epochs]
                command += ["--evaluated", int(rows <= options.evaluated)]
                command += ["--batch", options.batch, *(["--streamed"] if name == "streamed" else [])]
                words = [str(word) for word in command]
                output = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
                every.append(json.loads(output.splitlines()[-1]))
                print(f"{rows:,} rows, {name}: {every[-1]}", flush=True)
            path.unlink()
    print("\n| MB |", *(f"{rows:,} |" for rows in sizes), "exponent | CPU seconds of the last |")
    print("|---|" + "---|" * (len(sizes) + 2))
    for step in STEPS:
        for name, every in found.items():
            costs = [one[step] for one in every if step in one]
            memory = [bytes_ for _, bytes_ in costs]
            cells = " | ".join(f"{bytes_ / 1e6:,.0f}" for bytes_ in memory)
            exponent = fit_exponent(sizes[: len(memory)], memory)
            print(f"| {step}, {name} | {cells} | {exponent:.2f} | {costs[-1][0]:.1f} |")
    for name, every in found.items():
        print(f"| AUROC, {name} | " + " | ".join(f"{one['auroc']:.6f}" for one in every if "auroc" in one) + " | | |")


if __name__ == "__main__":
    main()
