"""Finds the code beside this folder first: a copy of the project, as `dvc exp run --temp` makes it, runs itself."""

import sys
from pathlib import Path

sys.path[:0] = [str(path) for path in [Path(__file__).parents[1] / "src"] if path.is_dir()]
