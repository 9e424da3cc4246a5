"""Stage `track`: publish all records on disk that are not published yet.

Usage: track.py [FOLDER ...]; without a folder all of `results/` and of the sweeps in `multirun/` and `outputs/`.

A damaged record, a record made with other parameters, or a store that accepts no records is reported in one line; the
other records are still published. The exit code is 0 if all records are in their stores and 2 otherwise, so that DVC
does not consider the stage done. Records always stay on disk, so the command can be run again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from veilbench.bench import stages
from veilbench.bench.contracts import Tracker
from veilbench.bench.errors import UserError, format_error
from veilbench.bench.experiment import load, part
from veilbench.bench.report.records import CELL, walk_cells
from veilbench.bench.tracking import NoTracking
from veilbench.bench.tracking.faults import StoreFault
from veilbench.families import register_all


def records(folders: list[Path]) -> list[tuple[Path, Path]]:
    """Yield pairs of a resolved experiment's file and the folder of its record.

    Raises:
        UserError: a given folder holds no record.
    """
    for folder in folders:
        if not (folder / CELL).is_file():
            raise UserError(f"{folder} holds no record: there is no {CELL} in it")
    if folders:
        return [(folder / CELL, folder) for folder in folders]
    done = sorted(path.parent.parent for path in stages.RESULTS.glob("*/attack/metrics.json"))
    swept = [cell for root in ("multirun", "outputs") for cell in sorted(walk_cells(Path(root)))]
    finished = [(cell / CELL, cell) for cell in swept if (cell / "attack" / "metrics.json").is_file()]
    return [(Path("params") / f"{folder.name}.yaml", folder) for folder in done] + finished


def publish_record(path: Path, folder: Path, closed: set[str]) -> bool | None:
    """Publish one record.

    Args:
        path: file of the resolved experiment.
        folder: folder of the record.
        closed: stores that accept no records; further ones are added to it.

    Returns:
        Whether the record is in its store; None if its configuration asks not to publish it.

    Raises:
        UserError: the record cannot be published; raised only once for each store that accepts none.
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


def main(arguments: list[str]) -> int:
    """Publish the records and return the exit code.

    Args:
        arguments: folders of records; none for all of results/, multirun/ and outputs/.
    """
    register_all()
    outcomes: list[bool | None] = []
    closed: set[str] = set()
    for path, folder in records([Path(argument) for argument in arguments]):
        try:
            outcomes.append(publish_record(path, folder, closed))
        except UserError as error:
            print(f"tracking: {format_error(error)}", file=sys.stderr)
            outcomes.append(False)
    asked = [outcome for outcome in outcomes if outcome is not None]
    print(f"{sum(asked)} of {len(asked)} records are in the tracking store")
    return 0 if all(asked) else 2
