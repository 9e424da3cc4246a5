"""Stage `track`: publish every record on disk. Records that are published already are left alone.

Usage: track.py [FOLDER ...]; without a folder all of `results/` and of the sweeps in `multirun/` and `outputs/`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from veilbench import stages
from veilbench.errors import UserError, one_line_errors
from veilbench.experiment import load, part
from veilbench.lifeline import die_with_parent
from veilbench.tracking import NoTracking


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


def main() -> None:
    """Publish; a store that cannot be reached is said once."""
    published = 0
    every = [(load(config), folder) for config, folder in records([Path(argument) for argument in sys.argv[1:]])]
    trackers = [(part(config, "tracking"), config, folder) for config, folder in every]
    found = [entry for entry in trackers if not isinstance(entry[0], NoTracking)]  # they asked not to be published
    for tracker, config, folder in found:
        if tracker.publish(config, folder) is None:
            break
        published += 1
    print(f"{published} of {len(found)} records are in the tracking store")


if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        main()
