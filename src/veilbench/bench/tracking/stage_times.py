"""Finds when the stages of a record ran."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from veilbench.bench.tracking.record import STAGES, StageRecord


@dataclass(frozen=True)
class Span:
    """Start and end of a run, in milliseconds since 1970; the form that MLflow takes."""

    start: int
    end: int


def find_times(stages: Mapping[str, StageRecord]) -> dict[str, Span]:
    """Return when each stage ran.

    Records of earlier versions do not say when they were made. Their stages are taken to have ended when the next one
    began, the last one now, so that at least the durations are true.

    Args:
        stages: the records of the stages by their names.
    """
    found: dict[str, Span] = {}
    following = time.time()
    for stage in reversed(STAGES):
        run, seconds = stages[stage].run, stages[stage].seconds
        ended = run.ended if run else following
        following = run.started if run else ended - seconds
        found[stage] = Span(int(following * 1000), int(ended * 1000))
    return found


def span(times: Mapping[str, Span]) -> Span:
    """Return the time from the first start to the last end."""
    return Span(min(one.start for one in times.values()), max(one.end for one in times.values()))
