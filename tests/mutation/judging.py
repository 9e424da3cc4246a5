"""Says of each mutant whether the tests notice it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from .copied import Copied
from .process import Ended, run
from .reach import Chosen, Reach
from .related import related
from .sampling import Mutant

KILLED, SURVIVED, NOT_COUNTED = "killed", "survived", "not counted"
SAME_CODE = "\n# the same code\n"  # a test that fails at this would notice any change of the text, not of what it does


@dataclass(frozen=True)
class Judgement:
    """What came of a mutant.

    Attributes:
        mutant: the mutant.
        outcome: killed, survived or not counted.
        reason: the test that noticed it, or why it is not counted.
        seconds: how long the tests took.
    """

    mutant: Mutant
    outcome: str
    reason: str
    seconds: float


@dataclass
class Baseline:
    """The unmutated run of some tests.

    Attributes:
        failure: why it is of no use, or nothing.
        seconds: for each test.
        called: for each test and test file, the first lines of the functions that it calls, by file.
    """

    failure: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    called: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def reaches(self, test: str, mutant: Mutant) -> bool:
        """Whether a test calls the mutant's function; any of its file, where the mutant is in none."""
        for name in (test, test.partition("::")[0]):
            called = self.called.get(name, {}).get(mutant.path, [])
            if mutant.function in called or (called and not mutant.function):
                return True
        return False


class Judge:
    """Runs the tests that could notice a mutant: first those that call its function, the quick ones first.

    Args:
        copy: where they run.
        budget: seconds of tests, by the unmutated run, for one mutant; those that do not fit are left out.
        longest: seconds for the unmutated run of one file's tests; those that have not ended until then are left out.
    """

    def __init__(self, copy: Copied, budget: float, longest: float) -> None:
        self.copy, self.budget, self.longest = copy, budget, longest
        self.baselines: dict[str, Baseline] = {}

    def judge(self, mutant: Mutant) -> Judgement:
        """Return what came of a mutant."""
        files = [str(file.relative_to(self.copy.root)) for file in related(self.copy.root, mutant.path)]
        each = [self.baseline(file, mutant.path) for file in files]
        if not (sound := [one for one in each if not one.failure]):
            return Judgement(mutant, NOT_COUNTED, each[0].failure, 0.0)
        baseline = Baseline()
        for one in sound:
            baseline.seconds |= one.seconds
            baseline.called |= one.called
        tests = self.order(baseline, mutant)
        named = sorted({test.partition("::")[0] for test in tests})
        needed = sum(baseline.seconds[test] for test in tests)
        with self.copy.changed(mutant.path, mutant.source):
            ended = run(self.copy, named, Chosen(tests), 30 + 4 * needed)
        if ended.code is None:
            return Judgement(mutant, KILLED, "the time was over", ended.seconds)
        if ended.code == 0:
            return Judgement(mutant, SURVIVED, f"{len(tests)} of {len(baseline.seconds)} tests", ended.seconds)
        return Judgement(mutant, KILLED, _last_failure(ended.text), ended.seconds)

    def baseline(self, file: str, path: str) -> Baseline:
        """Run the tests of a file once on the code as it is, but for a comment at the end of the file in question."""
        if file not in self.baselines:
            report = self.copy.root.parent / "report.json"
            report.unlink(missing_ok=True)
            with self.copy.changed(path, (self.copy.root / path).read_text("utf8") + SAME_CODE):
                ended = run(self.copy, [file], Reach(self.copy.root, report), self.longest)
            self.baselines[file] = _baseline(file, ended, report)
        return self.baselines[file]

    def order(self, baseline: Baseline, mutant: Mutant) -> list[str]:
        """Return the tests to run, at least one."""
        ranked = sorted(baseline.seconds, key=lambda test: (not baseline.reaches(test, mutant), baseline.seconds[test]))
        chosen, left = ranked[:1], self.budget - baseline.seconds[ranked[0]]
        for test in ranked[1:]:
            if baseline.seconds[test] <= left:
                chosen.append(test)
                left -= baseline.seconds[test]
        return chosen


def _baseline(file: str, ended: Ended, report: Path) -> Baseline:
    if ended.code in (0, None) and report.exists():
        noted = json.loads(report.read_text(encoding="utf8"))
        return Baseline("", noted["seconds"], noted["called"])
    why = "takes too long" if ended.code is None else f"fails: {_last_failure(ended.text)}"
    return Baseline(f"the unmutated run of {file} {why}")


def _last_failure(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR", "E  "))]
    return (lines or text.splitlines() or ["nothing was written"])[-1][:200]
