"""Stage `prepare`: generate or read one data set."""

import here  # noqa: F401
from veilbench.workflow.command import run_stage

if __name__ == "__main__":
    run_stage("prepare")
