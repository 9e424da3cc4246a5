"""All stages of one experiment in one process: `python pipelines/sweep.py -m experiment=cipher_small seed=range(3)`."""

import here  # noqa: F401
from veilbench.workflow import sweep
from veilbench.workflow.command import run

if __name__ == "__main__":
    run("sweep", sweep.main)
