"""CPU time and memory against size: measuring a step, and tables with exponents."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def read_memory(field: str) -> float:
    """Return the current memory (VmRSS) or its peak since the last reset (VmHWM), in bytes. Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(rf"{field}:\s+(\d+)", status)[0]) * 1024.0


def measure(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Call a function, and return its result, the CPU seconds, and the increase at the peak of memory in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before, started = read_memory("VmRSS"), time.process_time()
    made = work()
    return made, time.process_time() - started, read_memory("VmHWM") - before


def fit_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of a line fitted to the logarithms: 1 is linear, below 1 are fixed costs; NaN of one size."""
    if len(sizes) < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def print_growth(of: str, sizes: Sequence[int], steps: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Print a Markdown table: CPU seconds of each step as ratios to the smallest size, exponent, and peak memory.

    Args:
        of: what the sizes count.
        sizes: sizes in ascending order.
        steps: CPU seconds and bytes of memory at each size, by the name of the step.
    """
    print(f"| {of} |", *(f"{size:,} |" for size in sizes), "exponent | seconds of the first | memory of the last, MB |")
    print("|---|" + "---|" * (len(sizes) + 3))
    for name, found in steps.items():
        seconds = [one for one, _ in found]
        ratios = " | ".join(f"{one / seconds[0]:.1f}" for one in seconds)
        last = f"{fit_exponent(sizes, seconds):.2f} | {seconds[0]:.3f} | {found[-1][1] / 1e6:,.0f}"
        print(f"| {name} | {ratios} | {last} |", flush=True)
