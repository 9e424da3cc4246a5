"""What a run of tests reports, and in which order it takes them."""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest


class Reach:
    """Notes how long each test takes, and which functions of which files it calls, by their first lines.

    What is called while a test is set up may serve the tests after it too, and is noted for all tests of its file.
    """

    def __init__(self, root: Path, report: Path) -> None:
        self.source, self.report = f"{root / 'src'}/", report
        self.seconds: dict[str, float] = {}
        self.called: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self.current: dict[str, set[int]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Trace the fixtures."""
        return (yield from self._traced(item.nodeid.partition("::")[0]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Trace the test itself."""
        return (yield from self._traced(item.nodeid))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the seconds of one phase."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write down what was noted so far: the run may be ended for its time."""
        called = {test: {file: sorted(lines) for file, lines in files.items()} for test, files in self.called.items()}
        partial = self.report.with_suffix(".partial")
        partial.write_text(json.dumps({"seconds": self.seconds, "called": called}), encoding="utf8")
        partial.replace(self.report)

    def _traced(self, name: str) -> Iterator[None]:
        self.current = self.called[name]
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]

    def _trace(self, frame: FrameType, event: str, argument: Any) -> None:
        file = frame.f_code.co_filename
        if file.startswith(self.source):
            self.current[file[len(self.source) - 4 :]].add(frame.f_code.co_firstlineno)


class Chosen:
    """Runs some of the collected tests, in the order given."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.places = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what was not chosen."""
        kept = sorted((item for item in items if item.nodeid in self.places), key=lambda item: self.places[item.nodeid])
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self.places])
        items[:] = kept
