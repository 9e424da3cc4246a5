"""Stage `evaluate`: measure the utility of one experiment's code."""

from __future__ import annotations

import sys
from pathlib import Path

from veilbench.bench import stages
from veilbench.bench.errors import one_line_errors
from veilbench.bench.experiment import load, named
from veilbench.bench.lifeline import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        name = named(sys.argv, "EXPERIMENT")
        config = load(Path("params") / f"{name}.yaml")
        root = stages.RESULTS / name
        stages.evaluate(config, stages.PREPARED / config["names"]["data"], root / "train", root / "evaluate")
