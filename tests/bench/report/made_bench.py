from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veilbench.bench.report.leaderboard import Row, row
from veilbench.bench.report.records import Record, read_all


@dataclass
class Bench:
    """A folder of made-up records."""

    root: Path
    names: list[str]

    def rows(self) -> list[Row]:
        return [row(record) for record in self.records()]

    def records(self) -> list[Record]:
        return read_all(self.names, self.root / "params", self.root / "results")
