"""Stage `track`: publish every record on disk. Records that are published already are left alone.

Usage: track.py [FOLDER ...]; without a folder all of `results/` and of the sweeps in `multirun/` and `outputs/`.

A record that is damaged, or that was made with other parameters than those that it is published under, is said in one
line, and so is a store that takes none; the other records are published all the same. The exit code is 0 where every
record that asks to be published is in its store, and 2 where one is not, so that DVC does not take the stage for done.
Records stay on disk whatever happens: run it again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from veilbench.bench import stages
from veilbench.bench.contracts import Tracker
from veilbench.bench.errors import UserError, format_error, one_line_errors
from veilbench.bench.experiment import load, part
from veilbench.bench.lifeline import die_with_parent
from veilbench.bench.tracking import NoTracking
from veilbench.bench.tracking.faults import StoreFault


def records(folders: list[Path]) -> list[tuple[Path, Path]]:
    """Pairs of a resolved experiment and the folder of its record.

    Raises:
        UserError: a folder that was named holds no record.
    """
    for folder in folders:
        if not (folder / "experiment.yaml").is_file():
            raise UserError(f"{folder} holds no record: there is no experiment.yaml in it")
    if folders:
        return [(folder / "experiment.yaml", folder) for folder in folders]
    done = sorted(path.parent.parent for path in stages.RESULTS.glob("*/attack/metrics.json"))
    swept = [p for root in ("multirun", "outputs") for p in sorted(Path(root).rglob("experiment.yaml"))]
    finished = [(p, p.parent) for p in swept if (p.parent / "attack" / "metrics.json").is_file()]
    return [(Path("params") / f"{folder.name}.yaml", folder) for folder in done] + finished


def published(path: Path, folder: Path, closed: set[str]) -> bool | None:
    """Publish one record.

    Args:
        path: the resolved experiment.
        folder: the record.
        closed: the stores that take no record; what turns out to be one is added.

    Returns:
        Whether it is in its store; None where it asks not to be published.

    Raises:
        UserError: it cannot be published. Of a store that takes none this is said once.
    """
    config = load(path)
    tracker, store = part(config, "tracking"), json.dumps(config["tracking"], sort_keys=True)
    if not isinstance(tracker, Tracker):
        raise UserError(f"{path} is damaged: tracking={type(tracker).__name__} publishes nothing")
    if isinstance(tracker, NoTracking):
        return None
    if store in closed:
        return False
    try:
        is_in = tracker.publish(config, folder) is not None
    except StoreFault:
        closed.add(store)
        raise
    if not is_in:
        closed.add(store)
    return is_in


def main() -> int:
    """Publish; the exit code."""
    outcomes: list[bool | None] = []
    closed: set[str] = set()
    for path, folder in records([Path(argument) for argument in sys.argv[1:]]):
        try:
            outcomes.append(published(path, folder, closed))
        except UserError as error:
            print(f"tracking: {format_error(error)}", file=sys.stderr)
            outcomes.append(False)
    asked = [outcome for outcome in outcomes if outcome is not None]
    print(f"{sum(asked)} of {len(asked)} records are in the tracking store")
    return 0 if all(asked) else 2


if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        sys.exit(main())
