"""How fast are prints encoded, and one found among many? `python benchmarks/hashmap_speed.py [templates]`.

Prints rates of the plain encoder at 96 x 96 by threads, and milliseconds of exact search by Hamming distance in random
templates of 64 bytes (faiss), a probe at a time and 100 at once; that the probe's own template, 10 % of its bits
flipped, is found first.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import faiss
import numpy as np
import torch

from veilbench.nets.print_encoder import PrintEncoder
from veilbench.templates.hashmap import HashmapScheme

BYTES = 64


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    best = np.inf
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return float(best)


def encoding() -> None:
    images = np.random.default_rng(0).random((512, 1, 96, 96), np.float32)
    for code, binary in ((128, False), (512, True)):
        scheme = HashmapScheme(PrintEncoder(code), binary)
        for threads in (1, os.cpu_count() or 1):
            torch.set_num_threads(threads)
            rate = len(images) / seconds(lambda scheme=scheme: scheme.features(images))
            print(f"encode, code {code}, {threads} threads: {rate:,.0f} prints a second")


def search(templates: int) -> None:
    rng = np.random.default_rng(1)
    enrolled = rng.integers(0, 256, (templates, BYTES), dtype=np.uint8)
    index = faiss.IndexBinaryFlat(8 * BYTES)
    index.add(enrolled)
    wanted = rng.choice(templates, 100, replace=False)
    flips = np.packbits(rng.random((100, 8 * BYTES)) < 0.1, axis=1)
    probes = enrolled[wanted] ^ flips
    for threads in (1, os.cpu_count() or 1):
        faiss.omp_set_num_threads(threads)
        found = index.search(probes, 1)[1][:, 0]
        assert (found == wanted).all(), "the wrong template was found"
        one = 1000 * seconds(lambda: index.search(probes[:1], 10))
        many = 10 * seconds(lambda: index.search(probes, 10))
        print(f"1:{templates:,}, {threads} threads: {one:.1f} ms a probe alone, {many:.1f} ms of 100 at once")


if __name__ == "__main__":
    encoding()
    search(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
