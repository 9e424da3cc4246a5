"""Publishing in a process of its own, which is ended when the store takes too long.

A server that sends one byte now and then keeps MLflow waiting for as long as it likes: no limit of its client's counts
the whole. A thread that waits so cannot be ended, and would hold up the exit of the program; a process can.
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
START = 300  # seconds for importing MLflow, which waits for no server
ERRORS: dict[str, type[Exception]] = {"UserError": UserError, "StoreFault": StoreFault, "Unreachable": Unreachable}


class PublisherProcess:
    """The process, from its first job until it is ended or this one ends."""

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
        except BaseException:
            self.stop()
            raise

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.put(line)
        self.lines.put("")

    def _answer(self, seconds: float) -> Any:
        """The next line that the process says.

        Raises:
            TimeoutError: it says none in time.
            StoreFault: it ended by itself, or something ended it.
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
        """Let the process do a job; its answer."""
        words = json.dumps({"folder": str(Path.cwd()), "job": vars(job) | {"records": str(job.records)}})
        with suppress(BrokenPipeError):  # it has ended, and the answer says so
            print(words, file=self.process.stdin, flush=True)
        return self._answer(job.deadline)

    def is_usable(self) -> bool:
        """Whether the process still runs, and was started by this one and not by the one that this was forked from."""
        return self.owner == os.getpid() and self.process.poll() is None

    def stop(self) -> None:
        """End the process."""
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            with suppress(BrokenPipeError):  # of a job that it has not taken
                stream.close()  # type: ignore[union-attr]


_process: PublisherProcess | None = None
_lock = threading.Lock()


def ask(job: Job) -> str:
    """Publish a record within its deadline; the run's id.

    Raises:
        UserError: the record or the store is at fault.
        Unreachable: the store does not answer, or not in time.
    """
    with _lock:
        publisher = _running()
        try:
            answer = publisher.do(job)
        except TimeoutError:
            stop()
            raise Unreachable(f"not done within {job.deadline:g} seconds (tracking.deadline)") from None
        except BaseException:
            stop()  # an answer that comes late is not to be taken for that to the next job
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
    """End the process, if there is one."""
    global _process
    publisher, _process = _process, None
    atexit.unregister(stop)
    if publisher:
        publisher.stop()
