"""Measure how much of the Zodiac killer's cipher of 408 characters the search for code books reads.

Usage: python benchmarks/zodiac.py [--restarts 0,1,4] [--seeds 3] [--order 6] [--effort 1]

The cipher of 1969 is the field's benchmark for homophonic substitution: 54 symbols stand for the letters of an English
text without spaces. The statistics are those of Doyle (1892) and the plays of Shakespeare (about 1600), reduced to the
same 26 letters. Files: $VEILBENCH_SHARED_DATA/zodiac408 and text, or ../shared/data. The reference is the plain text as
usually published, with its misspellings.

Prints a Markdown table: mean and range over the seeds of the share of characters that is read, and the mean CPU seconds
of one search, in one process with one thread; the time to fit the statistics is not included.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from shared_texts import LETTERS, fit_models, read_text, require_file
from veilbench.families.ciphers.attacks.ngrams import NGramModel
from veilbench.families.ciphers.attacks.substitution import solve


def read_cipher() -> tuple[np.ndarray, np.ndarray]:
    """Return the token of each position, shape (408,), and the letter of each token, 0 to 25, shape (54,)."""
    names = require_file("zodiac408/cipher.txt").read_text(encoding="utf8").split()
    key = json.loads(require_file("zodiac408/key.json").read_text(encoding="utf8"))
    distinct, tokens = np.unique(names, return_inverse=True)
    return tokens, np.array([LETTERS.index(key[name]) for name in distinct])


def read(models: tuple[NGramModel, NGramModel], seed: int, restarts: int, effort: float) -> tuple[float, float]:
    """Attack the cipher, and return the share of characters read and the CPU seconds."""
    tokens, truth = read_cipher()
    started = time.process_time()
    loose = np.full(len(truth), -1)
    key = solve(tokens, loose, models[0], bigrams=models[1], restarts=restarts, seed=seed, effort=effort, coarse=False)
    return float((key == truth)[tokens].mean()), time.process_time() - started


def row(restarts: int, found: list[tuple[float, float]]) -> str:
    shares, seconds = 100 * np.array(found).T[0], np.array(found).T[1]
    return f"| {restarts} | {shares.mean():.1f} [{shares.min():.1f}, {shares.max():.1f}] | {seconds.mean():.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--restarts", default="0,1,2,4", help="largest numbers of annealing runs, such as 0,4")
    parser.add_argument("--seeds", type=int, default=3, help="number of searches for each number of restarts")
    parser.add_argument("--order", type=int, default=6, help="length of the longest n-gram in characters")
    parser.add_argument("--effort", type=float, default=1.0, help="factor on the steps of each annealing run")
    options = parser.parse_args()
    models = fit_models(read_text("doyle+shakespeare"), LETTERS, options.order)
    read(models, 0, 1, 0.01)  # compiles the search
    print("| restarts | read, % | CPU seconds |\n|---|---|---|")
    for restarts in map(int, options.restarts.split(",")):
        found = [read(models, seed, restarts, options.effort) for seed in range(options.seeds)]
        print(row(restarts, found), flush=True)


if __name__ == "__main__":
    main()
