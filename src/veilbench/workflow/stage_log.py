"""Shows the stages that several `dvc repro` run: a line for each with its seconds, and in a terminal a progress bar."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from veilbench.bench.stages import RESULTS

BEGUN = re.compile(r"Running stage '(.+)':?$")
SKIPPED = re.compile(r"Stage '(.+)' (?:didn't change, skipping|is cached - skipping run.*)$")
OF_DVC = (  # lines about DVC's own files, which the user need not act on
    "> ", "Updating lock file", "Generating lock file", "To track the changes", "git add", "To enable auto staging",
    "dvc config core.autostage", "Use `dvc push`", "Data and pipelines are up to date", "Verifying data sources",
)  # fmt: skip


class StageLog:
    """Prints what stages do; several threads may use one."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(highlight=False, soft_wrap=True, markup=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True)
        self.bar = self.progress.add_task("stages", total=None)
        self.done: set[str] = set()
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        """Show the progress bar."""
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the progress bar."""
        self.progress.stop()

    def expect(self, total: int) -> None:
        """Set the number of stages, for the progress bar."""
        self.progress.update(self.bar, total=total)

    def print(self, line: str) -> None:
        """Print a line above the progress bar."""
        self.console.print(line)

    def finish(self, stage: str, seconds: float | None = None) -> None:
        """Count a stage, and print it unless it was skipped.

        Args:
            stage: name of the stage, such as "train@pca".
            seconds: how long it ran; None if nothing had to be done.
        """
        with self.lock:
            new = stage not in self.done
            self.done.add(stage)
        if new:
            self.progress.advance(self.bar)
        if seconds is not None:
            self.print(f"{stage:<34} {seconds:5.0f} s  {_count_verdicts(stage)}".rstrip())


class DvcOutput:
    """Reads the output of one `dvc repro`, line by line, and reports its stages to a log.

    Args:
        log: where stages and lines of their own are shown.
    """

    def __init__(self, log: StageLog) -> None:
        self.log = log
        self.stage, self.since = "", 0.0

    def read(self, line: str) -> None:
        """Read one line."""
        text = line.strip()
        if begun := BEGUN.match(text):
            self.end()
            self.stage, self.since = begun[1], time.perf_counter()
        elif skipped := SKIPPED.match(text):
            self.end()
            self.log.finish(skipped[1])
        elif text.startswith("Updating lock file"):
            self.end()
        elif text and not text.startswith(OF_DVC):
            self.log.print(line.rstrip())

    def end(self, failed: bool = False) -> None:
        """End the stage that runs, if there is one."""
        if self.stage and failed:
            self.log.print(f"{self.stage:<34} failed")
        elif self.stage:
            self.log.finish(self.stage, time.perf_counter() - self.since)
        self.stage = ""


def pass_errors_on(lines: Iterable[str]) -> None:
    """Write lines to stderr; they are piped so that DVC draws no progress bars of its own."""
    for line in lines:
        sys.stderr.write(line)
        sys.stderr.flush()


def _count_verdicts(stage: str) -> str:
    """Return how often each verdict was given, such as "2 broken, 1 leaks"; empty for stages without verdicts."""
    kind, _, name = stage.partition("@")
    if kind != "attack":
        return ""
    try:
        found = json.loads((RESULTS / name / "attack" / "findings.json").read_text(encoding="utf8"))
        verdicts = Counter(one["verdict"] for one in found.values() if one["verdict"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
