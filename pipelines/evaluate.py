"""Stage `evaluate`: measure the utility of one experiment's code."""

import here  # noqa: F401
from veilbench.workflow.command import run_stage

if __name__ == "__main__":
    run_stage("evaluate")
