"""Publishes in a separate process, which is stopped when the store takes too long.

MLflow's client has no limit on the total time, so a server that occasionally sends a byte can keep it waiting forever.
A waiting thread cannot be stopped and would delay the exit of the program; a process can.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from veilbench.bench.errors import TRACEBACK, UserError
from veilbench.bench.masking import mask_secrets
from veilbench.bench.tracking.faults import LATER, StoreFault, Unreachable
from veilbench.bench.tracking.publishing import Job

FROM_SOURCE = Path(__file__).parents[3]
START = 300  # seconds allowed for importing MLflow, which does not depend on a server
ERRORS: dict[str, type[Exception]] = {"UserError": UserError, "StoreFault": StoreFault, "Unreachable": Unreachable}


class PublisherProcess:
    """A worker process for any number of jobs, until it is stopped or this process ends."""

    def __init__(self) -> None:
        self.owner, self.log = os.getpid(), tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        paths = os.pathsep.join(filter(None, (str(FROM_SOURCE), os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "veilbench.bench.tracking.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            encoding="utf8", env=os.environ | {"PYTHONPATH": paths},
        )  # fmt: skip
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()
        try:
            self._answer(START)
        except TimeoutError:
            self.stop()
            raise Unreachable(f"the process that publishes did not start within {START} seconds") from None
        except BaseException:
            self.stop()
            raise

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.put(line)
        self.lines.put("")

    def _answer(self, seconds: float) -> Any:
        """Return the next line that the process prints, parsed as JSON.

        Raises:
            TimeoutError: there is no line within `seconds`.
            StoreFault: the process has ended or was killed.
        """
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if not line:
            self.log.seek(0)
            said = self.log.read().decode("utf8", "replace").strip().splitlines() or ["it said nothing"]
            status = self.process.wait()
            raise StoreFault(
                f"the process that publishes ended with status {status}: {mask_secrets(said[-1])}; {LATER}"
            )
        return json.loads(line)

    def do(self, job: Job) -> Any:
        """Let the process do a job, and return its answer."""
        words = json.dumps({"folder": str(Path.cwd()), "job": job.to_plain()})
        with suppress(BrokenPipeError):  # the process has ended; `_answer` reports it
            print(words, file=self.process.stdin, flush=True)
        return self._answer(job.deadline)

    def is_usable(self) -> bool:
        """Whether the process still runs and was started by this process, not by a parent that forked this one."""
        return self.owner == os.getpid() and self.process.poll() is None

    def stop(self) -> None:
        """Kill the process and close its pipes."""
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            with suppress(BrokenPipeError):  # a job may not have been read
                stream.close()  # type: ignore[union-attr]


_process: PublisherProcess | None = None
_lock = threading.Lock()


def ask(job: Job) -> str:
    """Publish a record within its deadline, and return the run's id.

    Raises:
        UserError: the record is damaged, or the store has a fault.
        Unreachable: the store does not answer in time.
    """
    with _lock:
        publisher = _running()
        try:
            answer = publisher.do(job)
        except TimeoutError:
            stop()
            raise Unreachable(f"not done within {job.deadline:g} seconds (tracking.deadline)") from None
        except BaseException:
            stop()  # otherwise a late answer would be taken for that to the next job
            raise
    if os.environ.get(TRACEBACK) and answer.get("traceback"):
        print(answer["traceback"], file=sys.stderr)
    if "error" in answer:
        raise ERRORS.get(answer["error"], RuntimeError)(answer["text"])
    return str(answer["run"])


def _running() -> PublisherProcess:
    global _process
    if _process is None or not _process.is_usable():
        stop()
        _process = PublisherProcess()
        atexit.register(stop)
    return _process


def stop() -> None:
    """Stop the worker process, if there is one."""
    global _process
    publisher, _process = _process, None
    atexit.unregister(stop)
    if publisher:
        publisher.stop()
