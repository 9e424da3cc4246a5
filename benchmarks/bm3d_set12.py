"""Compare BM3D with a trained restorer on the same noisy images: `python benchmarks/bm3d_set12.py FOLDER`.

FOLDER is the output of `python pipelines/sweep.py experiment=set12_denoising hydra.run.dir=FOLDER`. BM3D is the package
`bm3d` of its authors (Makinen, Azzari and Foi 2020). Its licence allows only informational and non-commercial use.
Therefore it is not a dependency of veilbench, nothing else imports it, and you have to check the licence yourself.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import yaml

from veilbench.bench.experiment import build
from veilbench.bench.findings import Metric, Table
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.baselines.fitted_restorer import FittedRestorer
from veilbench.families.autoencoders.data.rows import Rows


class Bm3d(FittedRestorer):
    """Block-matching and 3-D filtering (Dabov et al. 2007) with the authors' settings, given the true noise level."""

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Do nothing: BM3D is not trained."""
        return {}

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Denoise images of one channel."""
        from bm3d import bm3d

        return np.stack([bm3d(image[0], self.sigma)[None] for image in rows]).astype(np.float32)


def main(folder: Path) -> None:
    config = yaml.safe_load((folder / "experiment.yaml").read_text(encoding="utf8"))
    evaluation = build(config["evaluation"]["restoration"])
    evaluation.baselines = [Bm3d(evaluation.corruption.sigma)]
    rows = build(config["data"]).load(folder / "prepared")
    seeds = np.random.SeedSequence([config["seed"], *b"restoration"])  # the seeds of the stage `evaluate`
    found = evaluation.examine(load_trained_model(folder / "train"), rows, build(config["trainer"]), seeds)
    for table in found.tables:
        show(table)


def show(table: Table) -> None:
    print(table.title, *table.columns[1:], sep="  ")
    for name, *values in table.rows:
        print(f"  {name}", *(said(value) for value in values), sep="  ")


def said(value: object) -> str:
    if isinstance(value, Metric):
        return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
    return f"{value:.3f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
