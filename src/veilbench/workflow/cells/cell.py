"""One cell of a sweep: its name, its folder, and whether it is complete or failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from veilbench.bench.experiment import Config, identity
from veilbench.bench.report.records import CELL, label

FAILURE, COMPUTED, LOG = "failure.json", "computed.json", "log.txt"


@dataclass(frozen=True)
class Failure:
    """Why a cell has no record.

    Attributes:
        reason: one line.
        ended: time at which the last attempt ended, in seconds since 1970.
        host: name of the machine that it ran on.
        attempts: number of times that it was started.
    """

    reason: str
    ended: float
    host: str
    attempts: int = 1

    def write(self, folder: Path) -> None:
        """Write `failure.json` into an existing folder."""
        _write(self, folder / FAILURE)


@dataclass(frozen=True)
class Computed:
    """Where a record was computed.

    Attributes:
        host: name of the machine.
        ended: time at which the last attempt ended, in seconds since 1970.
        seconds: time that all attempts took; stages of other cells are not counted.
        attempts: number of times that it was started.
    """

    host: str
    ended: float
    seconds: float
    attempts: int = 1

    def write(self, folder: Path) -> None:
        """Write `computed.json` into an existing folder."""
        _write(self, folder / COMPUTED)


@dataclass(frozen=True)
class Cell:
    """One experiment with one seed and one set of overrides.

    Attributes:
        sweep: folder of the sweep.
        name: name of the cell's folder: experiment and digest of the settings, the code and the files that are named.
        overrides: overrides that it is composed with, in Hydra's grammar, without those of Hydra's own settings.
        label: experiment and overrides, as the report shows them.
        seconds: estimate of the time that it takes; None if it is not known.
    """

    sweep: Path
    name: str
    overrides: tuple[str, ...]
    label: str
    seconds: float | None = None

    @property
    def folder(self) -> Path:
        """Return the folder of the record, or of the failure."""
        return self.sweep / self.name

    def is_complete(self, since: float = 0.0) -> bool:
        """Whether the record is there, and was written after a time in seconds since 1970."""
        return _time_of(self.folder / CELL) > since

    def computed(self) -> Computed | None:
        """Return where the record was computed; None without a record, or if the file is damaged."""
        try:
            return Computed(**json.loads((self.folder / COMPUTED).read_text(encoding="utf8")))
        except (OSError, ValueError, TypeError):
            return None

    def failure(self, since: float = 0.0) -> Failure | None:
        """Return how the cell failed, if it failed after a time in seconds since 1970 and has no record."""
        path = self.folder / FAILURE
        if _time_of(path) <= since:
            return None
        try:
            return Failure(**json.loads(path.read_text(encoding="utf8")))
        except (OSError, ValueError, TypeError) as error:
            return Failure(f"{path} is damaged: {error}", _time_of(path), "")


def make_cell(sweep: Path, config: Config, overrides: Sequence[str], seconds: float | None = None) -> Cell:
    """Return the cell of a resolved experiment.

    Args:
        sweep: folder of the sweep.
        config: resolved experiment, as `compose.plain` returns it.
        overrides: overrides that it was composed with.
        seconds: estimate of the time that it takes; None if it is not known.
    """
    named = config["names"].get("experiment") or config["names"].get("model") or "cell"
    return Cell(sweep, f"{named}-{identity(config)}", tuple(overrides), label(config, overrides), seconds)


def _write(note: Failure | Computed, path: Path) -> None:
    path.write_text(json.dumps(asdict(note), indent=1) + "\n", encoding="utf8")


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return -1.0
