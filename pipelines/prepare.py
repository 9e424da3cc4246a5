"""Stage `prepare`: generate or read one data set."""

from __future__ import annotations

import sys
from pathlib import Path

from veilbench.bench import stages
from veilbench.bench.errors import one_line_errors
from veilbench.bench.experiment import load_data, named
from veilbench.bench.lifeline import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        name = named(sys.argv, "DATA")
        stages.prepare(load_data(Path("params/data") / f"{name}.yaml"), stages.PREPARED / name)
