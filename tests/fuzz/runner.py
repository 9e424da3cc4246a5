"""Runs many inputs and counts what came of them."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veilbench.bench.lifeline import die_with_parent

from .case import Case
from .judge import FAILURES, Judgement, Outcome, judge
from .kinds import case_of
from .process import Ended, Limits, forked, fresh
from .template import Bench, build
from .world import BENCH, World


@dataclass(frozen=True)
class Place:
    """Where a fuzz keeps its folders.

    Attributes:
        root: of everything.
        limits: for each input.
    """

    root: Path
    limits: Limits = field(default_factory=Limits)

    @property
    def template(self) -> Path:
        """What the worlds are copies of; as long a path as theirs."""
        return self.root / "worker-T" / "world"

    def make_template(self) -> None:
        """Build the template.

        Raises:
            RuntimeError: a command that must work does not.
        """

        def run(*command: str) -> None:
            ended = forked(command, self.template / BENCH, self.root / "scratch", Limits(120, 600), [self.root])
            if ended.code or "Traceback" in ended.err:
                raise RuntimeError(f"{' '.join(command)} ends with {ended.code}: {ended.err[-2000:]}")

        build(self.template, run)


@dataclass(frozen=True)
class Done:
    """An input that has been run."""

    kind: str
    index: int
    judgement: Judgement
    ended: Ended


class Worker:
    """Runs inputs one after the other in a world of its own.

    Args:
        place: the fuzz's folders.
        number: of this worker.
    """

    def __init__(self, place: Place, number: int) -> None:
        self.place, self.folder = place, place.root / f"worker-{number}"
        self.world = World(place.template, self.folder / "world")
        self.bench = Bench(place.template)
        self.writable = [self.folder, place.root / "cache"]

    def run(self, case: Case, anew: bool = False) -> tuple[Judgement, Ended]:
        """Run an input, judge it, and put the world back.

        Args:
            case: the input.
            anew: in a new interpreter instead of a fork of this one.
        """
        way = fresh if anew else forked
        try:
            self.world.put(case.files)
            before = self.world.snapshot()
            scratch = self.folder / "scratch"
            ended = way(case.command, self.world.bench, scratch, self.place.limits, self.writable)
            judgement = judge(case, ended, before, self.world.snapshot())
        finally:
            self.world.restore()
            shutil.rmtree(self.folder / "scratch", ignore_errors=True)
        return judgement, ended

    def run_both(self, case: Case) -> tuple[Judgement, Ended]:
        """Run an input in a fork and in a new interpreter, which must agree."""
        judgement, ended = self.run(case)
        other, again = self.run(case, anew=True)
        alike = (ended.code, judgement.outcome in FAILURES) == (again.code, other.outcome in FAILURES)
        if alike or ended.stopped or again.stopped:
            return judgement, ended
        reason = f"{judgement.outcome} {judgement.reason}, but fresh {other.outcome} {other.reason}"
        return Judgement(Outcome.DIFFERS, reason), again


def run_all(place: Place, chosen: Sequence[tuple[str, int]], seed: int, jobs: int, both_every: int) -> Iterator[Done]:
    """Run inputs on several processors; yields each when it is done.

    Args:
        place: the fuzz's folders, with its template.
        chosen: kind and index of each input.
        seed: of all inputs.
        jobs: processes.
        both_every: each so many inputs one is run in a new interpreter as well; 0 never.
    """
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(place, number, chosen[number::jobs], seed, both_every, queue))
        for number in range(jobs)
    ]
    for worker in workers:
        worker.start()
    for _ in chosen:
        found = queue.get()
        if isinstance(found, BaseException):
            raise found
        yield found
    for worker in workers:
        worker.join()


def _work(
    place: Place,
    number: int,
    chosen: Sequence[tuple[str, int]],
    seed: int,
    both_every: int,
    queue: multiprocessing.SimpleQueue[Done | BaseException],
) -> None:
    die_with_parent()
    try:
        worker = Worker(place, number)
        for at, (kind, index) in enumerate(chosen, 1):
            case = case_of(kind, seed, index, worker.bench)
            run = worker.run_both if both_every and at % both_every == 0 else worker.run
            queue.put(Done(kind, index, *run(case)))
    except BaseException as error:
        queue.put(RuntimeError(f"worker {number}: {error!r}"))
        raise


class Tally:
    """Counts of outcomes for each kind, and one example of each failure."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[Outcome]] = {}
        self.failures: dict[tuple[Outcome, str], list[Done]] = {}

    def add(self, done: Done) -> bool:
        """Count one input; whether it failed in a way that none did before."""
        self.counts.setdefault(done.kind, Counter())[done.judgement.outcome] += 1
        if not done.judgement.failed:
            return False
        alike = self.failures.setdefault((done.judgement.outcome, done.judgement.reason), [])
        alike.append(done)
        return len(alike) == 1

    @property
    def total(self) -> int:
        """How many inputs were counted."""
        return sum(sum(counts.values()) for counts in self.counts.values())

    def table(self) -> str:
        """Outcomes by kind, as a Markdown table."""
        seen = [outcome for outcome in Outcome if any(counts[outcome] for counts in self.counts.values())]
        lines = ["| kind | inputs | " + " | ".join(seen) + " |", "|---" * (len(seen) + 2) + "|"]
        for kind, counts in sorted(self.counts.items()):
            cells = [kind, str(sum(counts.values())), *(str(counts[outcome]) for outcome in seen)]
            lines.append("| " + " | ".join(cells) + " |")
        every = [str(sum(counts[outcome] for counts in self.counts.values())) for outcome in seen]
        return "\n".join([*lines, "| all | " + " | ".join([str(self.total), *every]) + " |"])

    def listed(self, seed: int) -> str:
        """Each distinct failure with how often it came and how to see it again."""
        lines = []
        for (outcome, reason), found in sorted(self.failures.items(), key=lambda item: -len(item[1])):
            first = min(found, key=lambda done: len(done.ended.err))
            lines.append(f"{len(found):5d} x {outcome}: {reason}")
            lines.append(f"        python -m tests.fuzz --seed {seed} --only {first.kind}:{first.index}")
        return "\n".join(lines)

    def save(self, path: Path, seed: int) -> None:
        """Write everything that was counted as JSON."""
        failures = [
            {"outcome": outcome, "reason": reason, "inputs": [f"{done.kind}:{done.index}" for done in found]}
            for (outcome, reason), found in self.failures.items()
        ]
        content = {"seed": seed, "counts": self.counts, "failures": failures}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf8")


def show(case: Case, judgement: Judgement, ended: Ended) -> None:
    """Print an input and what came of it."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    print("command:", *(repr(word) for word in case.command))
    for path, edit in case.files.items():
        print(f"--- {path}: {edit!r}"[:3000])
    print(f"--- stdout\n{ended.out[-3000:]}\n--- stderr\n{ended.err[-8000:]}")
    print(f"exit code {ended.code}, {ended.cpu:.1f} s; {judgement.outcome} {judgement.reason}")
