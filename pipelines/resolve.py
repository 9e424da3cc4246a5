"""Stage `resolve`: compose the listed experiments and data sets, and write them to params/ as plain YAML."""

import here  # noqa: F401
from veilbench.workflow import resolve
from veilbench.workflow.command import run_as_stage

if __name__ == "__main__":
    run_as_stage("resolve", resolve.main)
