"""Compare the speed of cipher training with a bare loop, and measure the cost of ensembles, all in one process.

Usage: python benchmarks/training_speed.py [REPEATS]

Prints, as medians over interleaved repeats:
  1. veilbench's training (Lightning) against a bare PyTorch loop that does the same optimizer steps;
  2. training until every character is right against the source system's procedure in a bare loop (50 epochs for the
     encrypter and 100 for the decrypter, batches of 32, about 8,000 characters), which is timed over a part of its
     steps and scaled up;
  3. 32 and 128 ensemble members trained together against one, per step and until all are right, with peak memory.
"""

from __future__ import annotations

import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from veilbench.bench.accelerator import Accelerator
from veilbench.families.ciphers.data.text import Texts, draw_words
from veilbench.families.ciphers.modules.cipher_pair import CipherPair
from veilbench.text import alphabet
from veilbench.training.central import Central

ENCRYPTER, DECRYPTER = [91, 91, 72, 64, 48, 36, 32, 32], [32, 32, 40, 46, 54, 64, 91, 91, 91]
LEARNING_RATE, STEPS = 4e-3, 500
EMPTY = np.empty(0, np.uint8)


def texts() -> Texts:
    """Create training words as in the source system; no English is needed here."""
    words = alphabet.encode(draw_words(1500, 10, np.random.default_rng(0)))
    return Texts(words, EMPTY, EMPTY, EMPTY)


def pair(members: int = 1, margin: float = 0.1) -> CipherPair:
    return CipherPair(ENCRYPTER[1:-1], DECRYPTER[1:-1], 32, members, learning_rate=LEARNING_RATE, margin=margin)


def train(module: CipherPair, max_steps: int, threads: int = 1, seed: int = 0) -> int:
    """Train with veilbench, and return the number of steps."""
    with tempfile.TemporaryDirectory() as folder:
        trainer, seeds = Accelerator("cpu", threads=threads), np.random.SeedSequence(seed)
        found = Central(max_steps).fit(module, texts(), trainer, seeds, Path(folder))[1]
    assert module.margin > 1 or found.metrics["characters_right"].value == 1, "not every character is right"
    return int(found.metrics["steps"].value)


def layers(widths: list[int]) -> nn.Sequential:
    pairs = itertools.pairwise(widths)
    return nn.Sequential(*(part for i, o in pairs for part in (nn.Linear(i, o), nn.LeakyReLU(0.3))))


def bare_loop(steps: int) -> None:
    """Take the same optimizer steps in plain PyTorch, with full batches over the alphabet."""
    encrypter, decrypter = layers(ENCRYPTER), layers(DECRYPTER)
    one_hot, codes = torch.eye(91), torch.randint(0, 2, (91, 32)).float()
    optimizer = torch.optim.Adam([*encrypter.parameters(), *decrypter.parameters()], LEARNING_RATE, fused=True)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(encrypter(one_hot), codes) + nn.functional.mse_loss(decrypter(codes), one_hot)
        loss.backward()
        optimizer.step()


def source_loop(widths: list[int], steps: int) -> None:
    """Take the source system's steps for one of its two networks, with batches of 32 characters."""
    network = layers(widths)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    inputs, wanted = torch.rand(8000, widths[0]), torch.rand(8000, widths[-1])
    for step in range(steps):
        rows = slice(step * 32 % 7968, step * 32 % 7968 + 32)
        optimizer.zero_grad()
        nn.functional.mse_loss(network(inputs[rows]), wanted[rows]).backward()
        optimizer.step()


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratios(a: list[float], b: list[float]) -> str:
    pairwise = sorted(x / y for x, y in zip(a, b, strict=True))
    return f"{statistics.median(pairwise):.2f} [{pairwise[0]:.2f}, {pairwise[-1]:.2f}]"


def main(repeats: int) -> None:
    torch.set_num_threads(1)
    never = pair(margin=1e9)
    train(never, STEPS)  # warm up
    ours, bare, whole, source = [], [], [], []
    for seed in range(repeats):
        ours.append(seconds(lambda: train(pair(margin=1e9), STEPS)))
        bare.append(seconds(lambda: bare_loop(STEPS)))
        whole.append(seconds(lambda seed=seed: train(pair(), 10_000, seed=seed)))
        source.append(
            seconds(lambda: source_loop(ENCRYPTER, 250)) * 50 + seconds(lambda: source_loop(DECRYPTER, 250)) * 100
        )
    print(f"1. veilbench / bare loop, {STEPS} steps: {ratios(ours, bare)}")
    steps = [train(pair(), 10_000, seed=seed) for seed in range(repeats)]
    print(f"   steps until all 91 characters are right: {statistics.median(steps)} [{min(steps)}, {max(steps)}]")
    print(f"2. source's procedure / veilbench until all are right: {ratios(source, whole)}")
    for members in (32, 128):
        for threads in (1, 2):
            one, many = [], []
            for _ in range(repeats):
                one.append(seconds(lambda: train(pair(margin=1e9), 100)))
                many.append(seconds(lambda m=members, t=threads: train(pair(m, 1e9), 100, t)))
            print(f"3. {members} members / 1, per step, {threads} threads: {ratios(many, one)}")
        until = seconds(lambda m=members: train(pair(m), 10_000, 2))
        print(f"   {members} members / 1 until all are right, 2 threads: {until / statistics.median(whole):.2f}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"   peak memory of the process so far: {peak:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
