"""Run `dvc repro` on several cores: `python pipelines/repro.py [JOBS]`, by default one job per core."""

import here  # noqa: F401
from veilbench.workflow import repro
from veilbench.workflow.command import run

if __name__ == "__main__":
    run("repro", repro.main)
