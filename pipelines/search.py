"""Search over settings with Optuna: `python pipelines/search.py NAME OVERRIDE ...`, NAME of conf/search."""

import here  # noqa: F401
from veilbench.workflow import search
from veilbench.workflow.command import run

if __name__ == "__main__":
    run("search", search.main)
