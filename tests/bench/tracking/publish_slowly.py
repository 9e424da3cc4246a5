"""A process that publishes one record and takes its time: arguments HOST ADDRESS LEASE SECONDS.

Prints "ready", waits for the file `go`, prints "inside" with each artifact that it uploads, and then the id of the run.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from made_records import config, job
from mlflow.tracking import MlflowClient

from veilbench.bench.tracking import presence
from veilbench.bench.tracking.publishing import publish

if __name__ == "__main__":
    host, address, lease, seconds = sys.argv[1:]
    upload = MlflowClient.log_artifact

    def upload_slowly(*given: Any) -> None:
        print("inside", flush=True)
        time.sleep(float(seconds))
        upload(*given)

    MlflowClient.log_artifact = upload_slowly
    presence._process_scope = lambda: host  # type: ignore[assignment]
    print("ready", flush=True)
    while not Path("go").exists():
        time.sleep(0.01)
    task = job(Path("r"), config(), Path("store.db"), deadline=600.0)
    print(publish(replace(task, address=address, lease=float(lease))), flush=True)
