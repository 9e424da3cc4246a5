"""Stage `report`: write the leaderboard and the page; with `--table`, print them as a table in the terminal."""

import here  # noqa: F401
from veilbench.workflow import report
from veilbench.workflow.command import run_as_stage

if __name__ == "__main__":
    run_as_stage("report", report.main)
