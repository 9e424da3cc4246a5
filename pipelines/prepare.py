"""Stage `prepare`: make or read one data set."""

from __future__ import annotations

import sys
from pathlib import Path

from veilbench import stages
from veilbench.errors import one_line_errors
from veilbench.experiment import load_data, named
from veilbench.lifeline import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        name = named(sys.argv, "DATA")
        stages.prepare(load_data(Path("params/data") / f"{name}.yaml"), stages.PREPARED / name)
