"""Measure how fast prints are encoded and searched: `python benchmarks/hashmap_speed.py [templates]`.

Prints the rate of the plain encoder at 96 x 96 for several numbers of threads. Then it prints the milliseconds of the
exact search of `template identify` (the store's `Gallery`) among random templates of 64 bytes: 512 bits with faiss and
with NumPy, and 16 numbers with a matrix product, for one probe and for 100 at once. Each search must find the probe's
own slightly changed template, and must agree with a plain comparison on a part of the templates. Ratios are relative to
copying the templates in memory. CPU seconds on one thread are printed with the wall time, because they depend less on
the load of the machine. The last line is the time to read the templates from a store before a search.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import torch
from threadpoolctl import threadpool_limits

from veilbench.families.templates.nets.print_encoder import PrintEncoder
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.hashmap import HashmapScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.store import store_file
from veilbench.families.templates.store.gallery import Gallery
from veilbench.families.templates.store.packing import Packing
from veilbench.families.templates.store.template_store import TemplateStore

BYTES = 64


def seconds(work: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    best = np.inf
    for _ in range(repeats):
        started = clock()
        work()
        best = min(best, clock() - started)
    return float(best)


def encoding() -> None:
    images = np.random.default_rng(0).random((512, 1, 96, 96), np.float32)
    for code, binary in ((128, False), (512, True)):
        scheme = HashmapScheme(PrintEncoder(code), binary)
        for threads in (1, os.cpu_count() or 1):
            torch.set_num_threads(threads)
            rate = len(images) / seconds(lambda scheme=scheme: scheme.features(images))
            print(f"encode, code {code}, {threads} threads: {rate:,.0f} prints a second")
        torch.set_num_threads(1)
        busy = len(images) / seconds(lambda scheme=scheme: scheme.features(images), clock=time.process_time)
        print(f"encode, code {code}, {busy:,.0f} prints a second of one processor")


def search(templates: int) -> None:
    rng = np.random.default_rng(1)
    wanted = rng.choice(templates, 100, replace=False)
    bits = Packing("uint8", 8 * BYTES, bits=True)
    enrolled = rng.integers(0, 256, (templates, BYTES), dtype=np.uint8)
    probes = enrolled[wanted] ^ np.packbits(rng.random((100, 8 * BYTES)) < 0.1, axis=1)
    copied = 1000 * seconds(enrolled.copy)
    print(f"a copy of {templates:,} templates of {BYTES} bytes: {copied:.1f} ms")
    binary = Biohash(ImageExtractor(), 8 * BYTES)
    measure_search("bits, faiss", Gallery(binary, bits, enrolled), probes, wanted, copied)
    by_numpy = Gallery(binary, bits, enrolled)
    by_numpy.index = None
    measure_search("bits, numpy", by_numpy, probes, wanted, copied)
    numbers = rng.standard_normal((templates, BYTES // 4), np.float32)
    near = numbers[wanted] + 0.1 * rng.standard_normal((100, BYTES // 4), np.float32)
    packing = Packing("float32", BYTES // 4, bits=False)
    measure_search("numbers", Gallery(RandomProjection(ImageExtractor()), packing, numbers), near, wanted, copied)


def measure_search(name: str, gallery: Gallery, probes: np.ndarray, wanted: np.ndarray, copied: float) -> None:
    for threads in (1, os.cpu_count() or 1):
        faiss.omp_set_num_threads(threads)
        with threadpool_limits(threads):
            assert (gallery.nearest(probes, 1)[1][:, 0] == wanted).all(), "the wrong template was found"
            one = 1000 * seconds(lambda: gallery.nearest(probes[:1], 10))
            many = 10 * seconds(lambda: gallery.nearest(probes, 10), 3)
            busy = 1000 * seconds(lambda: gallery.nearest(probes[:1], 10), clock=time.process_time)
        print(
            f"1:{len(gallery.rows):,}, {name}, {threads} threads: {one:.1f} ms a probe alone ({one / copied:.1f} "
            f"copies; {busy:.1f} ms of processors), {many:.1f} ms of 100 at once"
        )
    exact(gallery, probes[:5])


def measure_store(templates: int) -> None:
    rows = np.random.default_rng(2).integers(0, 256, (templates, BYTES), dtype=np.uint8)
    store = TemplateStore.empty("", "Biohash", (96, 96), Packing("uint8", 8 * BYTES, True), "")
    owners = np.arange(templates, dtype=np.int32)
    names = tuple(f"person {number}" for number in range(templates))
    store = replace(
        store, people=names, keys=("key",), templates=rows, owners=owners, under=np.zeros(templates, np.int32)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        write = seconds(lambda: store_file.write(store, path), 1)
        read = seconds(lambda: store_file.read(path), 2)
        size = path.stat().st_size
    print(f"a store of {templates:,} people: {size / 1e6:.0f} MB, read in {read:.1f} s, written in {write:.1f} s")


def exact(gallery: Gallery, probes: np.ndarray, most: int = 20_000) -> None:
    """Compare with each of some templates, one by one."""
    some = Gallery(gallery.scheme, gallery.packing, gallery.rows[:most])
    likeness, places = some.nearest(probes, 10)
    rows, own = (gallery.packing.unpack(part) for part in (gallery.rows[:most], probes))
    for probe, likest, found in zip(own, likeness, places, strict=True):
        loop = gallery.scheme.compare(np.broadcast_to(probe, rows.shape), rows)
        assert np.allclose(np.sort(loop)[::-1][:10], likest, atol=1e-6), "the search is not exact"
        assert np.allclose(loop[found], likest, atol=1e-6), "the likeness is another one"


if __name__ == "__main__":
    encoding()
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    search(many)
    measure_store(many)
