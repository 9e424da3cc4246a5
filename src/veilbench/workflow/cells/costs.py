"""About how long the cells of a sweep take, from those that are done."""

from __future__ import annotations

from collections.abc import Sequence

from veilbench.bench.experiment import Config
from veilbench.workflow.cells.stage_store import StageStore, stage_key
from veilbench.workflow.timing import GROUPS, Timing, estimate


def estimate_cells(configs: Sequence[Config], store: StageStore, timings: list[Timing]) -> list[float | None]:
    """Return the seconds that each cell takes, None if it is not known; a stage that cells share counts for the first.

    Args:
        configs: resolved experiments of the cells that are to be computed.
        store: the stages that the sweep has already.
        timings: times of earlier records, the latest last.
    """
    seen: set[str] = set()

    def cost(config: Config) -> float | None:
        total: float | None = 0.0
        for stage in GROUPS:
            key = stage_key(config, stage)
            if key in seen or store.has(config, stage):
                continue
            seen.add(key)
            seconds = estimate(config, stage, timings)
            total = None if total is None or seconds is None else total + seconds
        return total

    return [cost(config) for config in configs]


def describe_time(seconds: Sequence[float | None], jobs: int = 1) -> str:
    """Return "about 12 minutes" for cells that take these seconds each; "time unknown" if none is known.

    Args:
        seconds: estimate for each cell; None if it is not known.
        jobs: number of cells that are computed at the same time.
    """
    known = [each for each in seconds if each is not None]
    if not sum(known):
        return "time unknown"
    some = "about" if len(known) == len(seconds) else "at least"
    return f"{some} {format_seconds(sum(known) / max(1, min(jobs, len(seconds))))}"


def format_seconds(seconds: float) -> str:
    """Return seconds as "40 s", "12 minutes" or "3.5 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
