"""Choose the anomaly score of `anomaly_neighbours` by AUROC on validation rows.

Usage: python benchmarks/neighbour_scores.py [--tables annthyroid,WBC] [--seeds 3] [--sigmas 0.2,0.5]

Each table of ADBench in `detectors.CHOSEN_ON` is split like this: at most 6,000 distinct rows are drawn at random; 60 %
of the normal rows are for training and 10 % for the validation loss. Half of the remaining normal rows and half of the
anomalies are the rows that the score is chosen on; the others are not used here. Prints the AUROC of each score, mean
over the seeds. `e` is the reconstruction error, `d<k>` the mean squared distance to the k nearest training rows, `z<k>`
the same between standardised codes, `w<k>` between whitened rows, `m` the Mahalanobis distance; `*` multiplies, and
`rank(e, d5)` is the mean of two ranks. `--sigmas` are standard deviations of the noise in training.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors

from detectors import CHOSEN_ON, autoencoder, compose_config, find_tables
from veilbench.families.autoencoders.baselines.mahalanobis import Mahalanobis
from veilbench.families.autoencoders.data.loaders.npz_file import NpzFile
from veilbench.families.autoencoders.data.raw import check_raw, find_distinct, make_keys
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.metrics.anomaly import Ranking

MOST_ROWS = 6000
PRODUCTS = ("e", "d1", "d5", "m", "z5", "e*d1", "e*d5", "e*d10", "e*z5", "e*w5", "e*d5*z5", "e*d5*w5", "e*d5*m")


def split_for_choice(path: str, seed: int) -> Rows:
    """Split a table; the part `test` holds the rows that the score is chosen on."""
    rng = np.random.default_rng(seed)
    raw = check_raw(NpzFile(path, labels=["normal", "anomaly"]).read(rng))
    kept = rng.permutation(find_distinct(make_keys(raw.x), raw.y, []))[:MOST_ROWS]
    x, odd = raw.x[kept].reshape(len(kept), -1), raw.y[kept] != 0
    normal, anomalies = np.flatnonzero(~odd), np.flatnonzero(odd)
    train, validation, chosen, _ = np.split(normal, np.round(np.array([0.6, 0.7, 0.85]) * len(normal)).astype(int))
    chosen = np.concatenate([chosen, anomalies[: len(anomalies) // 2]])
    mean, deviation = x[train].mean(0, dtype=np.float64), x[train].std(0, dtype=np.float64)
    x = ((x - mean) / np.where(np.ptp(x[train], 0) > 0, deviation, 1)).astype(np.float32)
    parts = [Part(x[places], odd[places].astype(np.int64)) for places in (train, validation, train[:0], chosen)]
    return Rows(*parts, [], ["normal", "anomaly"], True, [])


def squared_distances(train: np.ndarray, rows: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """Return the mean squared distances to 1, 5 and 10 nearest training rows, named by `name` and this number."""
    distances, _ = NearestNeighbors(n_neighbors=10).fit(train).kneighbors(rows)
    return {f"{name}{k}": (distances[:, :k] ** 2).mean(1) + 1e-12 for k in (1, 5, 10)}


def ingredients(rows: Rows, sigma: float, seed: int) -> dict[str, np.ndarray]:
    """Train one autoencoder and return the factors of all scores, each of shape (n,)."""
    model = autoencoder(compose_config("anomaly", f"model.corruption.sigma={sigma}"), rows, seed)
    train, test = rows.train.x, rows.test.x
    codes = model.encode(train)
    gaussian = Mahalanobis().fit(rows, np.random.default_rng(0))
    whitening, deviation = np.linalg.cholesky(gaussian["precision"]), codes.std(0) + 1e-6
    return {
        "e": ((test - model.reconstruct(test)) ** 2).mean(1) + 1e-12,
        "m": gaussian.score(test),
        **squared_distances(train, test, "d"),
        **squared_distances(codes / deviation, model.encode(test) / deviation, "z"),
        **squared_distances(train @ whitening, test @ whitening, "w"),
    }


def measure(path: str, sigma: float, seed: int) -> dict[str, float]:
    rows = split_for_choice(path, seed)
    factors = ingredients(rows, sigma, seed)
    scores = {name: np.prod([factors[one] for one in name.split("*")], axis=0) for name in PRODUCTS}
    scores["rank(e, d5)"] = rankdata(factors["e"]) + rankdata(factors["d5"])
    return {name: Ranking(score, rows.test.y != 0).auroc() for name, score in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", default=",".join(CHOSEN_ON), help="names of ADBench's tables")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("--sigmas", default="0.2,0.5", help="standard deviations of the noise in training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = find_tables(options.tables.split(","))
    for sigma in map(float, options.sigmas.split(",")):
        found: dict[str, list[float]] = defaultdict(list)
        for path in tables.values():
            seeds = [measure(str(path), sigma, seed) for seed in range(options.seeds)]
            for name in seeds[0]:
                found[name].append(float(np.mean([one[name] for one in seeds])))
        print(f"\nsigma {sigma}, {'mean':>10}  " + " ".join(f"{table:>10}" for table in tables))
        for name, values in sorted(found.items(), key=lambda item: -np.mean(item[1])):
            print(f"{name:12} {np.mean(values):10.4f}  " + " ".join(f"{value:10.3f}" for value in values), flush=True)


if __name__ == "__main__":
    main()
