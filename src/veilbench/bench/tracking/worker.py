"""The worker process that publishes: reads jobs from stdin as lines of JSON, and prints one line for each.

It ends at once when the process that started it ends, even while it waits for a server.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.masking import mask_secrets
from veilbench.bench.tracking.faults import StoreFault, Unreachable, explain
from veilbench.bench.tracking.publishing import Job, publish
from veilbench.bench.tracking.store import quieten, sqlite_file


def answer(job: Job) -> dict[str, str]:
    """Do a job, and return the run's id or a description of the error."""
    try:
        return {"run": publish(job)}
    except Exception as error:  # the store, its driver and the network raise errors of many classes
        shown = mask_secrets(traceback.format_exc(), job.address)
        meant = error if isinstance(error, (UserError, Unreachable)) else _explain_error(error, job)
        kind = next((kind for kind in (StoreFault, UserError, Unreachable) if isinstance(meant, kind)), None)
        if kind is None:
            return {"error": "bug", "text": shown}
        return {"error": kind.__name__, "text": mask_secrets(format_error(meant), job.address), "traceback": shown}


def _explain_error(error: Exception, job: Job) -> Exception:
    try:
        file = sqlite_file(job.address)
    except Exception:  # the address cannot be parsed, which `error` reports
        file = None
    return explain(error, job.address, file, job.records)


def listen(jobs: queue.Queue[Any]) -> None:
    """Read jobs until the other process closes the pipe or ends."""
    for line in sys.stdin:
        jobs.put(json.loads(line))
    os._exit(0)


def main() -> None:
    """Answer jobs one after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that sends the jobs handles Ctrl-C
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf8") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # MLflow prints the address of each run
        quieten()
        import mlflow.tracking  # noqa: F401 - imported here because it takes seconds, before deadlines count

        jobs: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=listen, args=(jobs,), daemon=True).start()
        print(json.dumps({"ready": True}), file=out, flush=True)
        while True:
            words = jobs.get()
            os.chdir(words["folder"])
            job = Job.from_plain(words["job"])
            print(json.dumps(answer(job)), file=out, flush=True)


if __name__ == "__main__":
    main()
