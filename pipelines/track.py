"""Stage `track`: publish all records on disk that are not published yet."""

import here  # noqa: F401
from veilbench.workflow import track
from veilbench.workflow.command import run_as_stage

if __name__ == "__main__":
    run_as_stage("track", track.main)
