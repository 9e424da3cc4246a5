"""When the stages of a record ran, with and without their own word for it."""

from __future__ import annotations

import time
from pathlib import Path

from veilbench.bench.stage_run import StageRun
from veilbench.bench.tracking.record import StageRecord
from veilbench.bench.tracking.stage_times import Span, find_times, span


def stage(seconds: float, run: tuple[float, float] | None = None) -> StageRecord:
    return StageRecord(Path(), {}, seconds, {}, [], StageRun(*run, "", {}) if run else None)


def test_recorded_times_are_used() -> None:
    times = find_times({"train": stage(9, (1, 2)), "evaluate": stage(9, (30, 31.5)), "attack": stage(9, (3, 4))})
    assert times == {"train": Span(1000, 2000), "evaluate": Span(30_000, 31_500), "attack": Span(3000, 4000)}
    assert span(times) == Span(1000, 31_500)


def test_durations_of_earlier_records_are_true() -> None:
    before = time.time() * 1000
    times = find_times({"train": stage(3), "evaluate": stage(0.5), "attack": stage(60)})
    assert before - 1 <= times["attack"].end <= time.time() * 1000
    assert [round((one.end - one.start) / 1000, 1) for one in times.values()] == [60, 0.5, 3]
    assert times["train"].end == times["evaluate"].start
    assert times["evaluate"].end == times["attack"].start
