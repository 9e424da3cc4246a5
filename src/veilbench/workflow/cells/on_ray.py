"""`sweep=ray`: cells on the workers of a Ray cluster, started on this machine or running already.

This process claims each cell, writes its record and publishes it, as a sweep without Ray does. Ray chooses the machine
for each attempt, and its workers stay, so that each imports libraries once.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, Any

from annotated_types import Ge, Le

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.limits import Parallel, Positive
from veilbench.workflow.cells.asked import Asked
from veilbench.workflow.cells.attempt import RENEWED, Limits
from veilbench.workflow.cells.cell import LOG, Cell
from veilbench.workflow.cells.engine import Engine, Send
from veilbench.workflow.cells.one_cell import run_one
from veilbench.workflow.cells.packing import pack, unpack
from veilbench.workflow.cells.ray_task import Driver, remove_own_folder, run_attempt
from veilbench.workflow.cells.upload import copy_bench, copy_package
from veilbench.workflow.cells.work import Outcome, work

PASSED = (
    "MLFLOW_TRACKING_URI", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS",
    "VEILBENCH_TRACEBACK",
)  # fmt: skip
STARTED_AGAIN = 3  # times that Ray starts an attempt again whose worker or machine was lost
ANSWERED = 10.0  # seconds within which a cluster answers
LOST = 1  # exit code of an attempt that Ray has lost for good
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a cell that asks for no GPU sees none
    "RAY_DEDUP_LOGS": "0",
}
Gpus = Annotated[int, Ge(0), Le(1_024)]


@dataclass(frozen=True)
class OnRay(Engine):
    """Where Ray is, and what each cell gets of it.

    Attributes:
        address: "host:port" of a running cluster, or "auto" for the one of this machine; None starts Ray here.
        cpus: number of CPUs of each cell.
        gpus: number of GPUs of each cell; with 0 it sees none.
        mem_gb: memory of each cell in GiB; None leaves it to Ray.
        n_jobs: number of cells at a time; None for as many as the cluster has room for when the sweep begins.
        shared: whether all machines see the sweep's folder; None finds it out.
        environment: names of variables that cells get, besides those of `PASSED`.
    """

    address: str | None
    cpus: Parallel
    gpus: Gpus
    mem_gb: Positive | None
    n_jobs: Parallel | None
    shared: bool | None
    environment: list[str]

    def count_jobs(self, cells: int) -> int:
        """Return how many cells this machine has room for; of a running cluster that is not known beforehand."""
        room = len(os.sched_getaffinity(0)) // self.cpus if self.address is None else self.n_jobs or 1
        return max(1, min(cells, room, self.n_jobs or room))

    @contextmanager
    def start(self, asked: Asked, limits: Limits) -> Iterator[Send]:
        """Start Ray, or connect to it, within the block; see `Engine.start`."""
        with self._connect(asked) as ray:
            session = _Session(ray, self._driver(asked), self._resources())
            grows = self.address and self.n_jobs  # a cluster may add machines for cells that it has no room for
            room = 0 if grows else self._count_room(ray.nodes())
            jobs = self.n_jobs or room
            complete = True

            def send(cells: Sequence[Cell]) -> tuple[list[Outcome | None], str]:
                nonlocal complete
                outcomes = session.compute(asked, cells, limits, min(jobs, len(cells)))
                complete = complete and Outcome.FAILED not in outcomes
                return outcomes, ""

            yield send
            if complete:  # of a failed sweep, stages stay where they are, and the next one goes on from there
                session.clean(ray.nodes())

    @contextmanager
    def _connect(self, asked: Asked) -> Iterator[Any]:
        _prepare(self.address)
        ray = _import_ray()
        if self.address:
            _check_address(self.address)
        with tempfile.TemporaryDirectory(prefix="veilbench-") as folder:
            own = {"include_dashboard": False}
            settings = {"runtime_env": self._upload(asked, Path(folder))} if self.address else own
            said = f"hydra.launcher.address={self.address}: " if self.address else ""
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)
                    ray.init(self.address or "local", log_to_driver=False, logging_level="ERROR", **settings)
            except (OSError, RuntimeError, ValueError) as error:
                raise UserError(f"{said}Ray cannot be used: {format_error(error)}") from error
        try:
            yield ray
        finally:
            ray.shutdown()

    def _upload(self, asked: Asked, folder: Path) -> dict[str, Any]:
        """Return what Ray copies to the machines: the package, and what cells need of the current folder."""
        environment: dict[str, Any] = {"py_modules": [str(copy_package(folder))]}
        if not self.shared and copy_bench(list(asked.configs.values()), folder / "bench"):
            environment["working_dir"] = str(folder / "bench")
        return environment

    def _driver(self, asked: Asked) -> Driver:
        environment = {name: os.environ[name] for name in (*PASSED, *self.environment) if name in os.environ}
        named = " ".join([socket.gethostname(), str(asked.folder), *sorted(asked.configs)])
        name = hashlib.sha256(named.encode()).hexdigest()[:16]
        return Driver(Path.cwd(), asked.folder, name, self.cpus, self.shared, environment)

    def _resources(self) -> dict[str, float]:
        memory = {"memory": self.mem_gb * 2**30} if self.mem_gb else {}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, **memory}

    def _count_room(self, nodes: Sequence[Mapping[str, Any]]) -> int:
        """Return the number of cells that a cluster computes at the same time.

        Raises:
            UserError: no machine has what a cell needs.
        """
        keys = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
        needed = {keys[name]: amount for name, amount in self._resources().items() if amount}
        there = [node["Resources"] for node in nodes if node["Alive"]]
        room = sum(min(int(one.get(name, 0) // amount) for name, amount in needed.items()) for one in there)
        if not room:
            cell = f"hydra.launcher.cpus={self.cpus}, gpus={self.gpus}, mem_gb={self.mem_gb}"
            raise UserError(f"{cell} is not allowed: the machines have {'; '.join(map(_describe, there)) or 'nothing'}")
        return room


class _Session:
    """A sweep that sends its cells to Ray.

    Args:
        ray: the package, connected.
        driver: this process.
        resources: what Ray reserves for each cell.
    """

    def __init__(self, ray: Any, driver: Driver, resources: Mapping[str, float]) -> None:
        self.ray, self.driver, self.stopped = ray, driver, Event()
        again = {"max_retries": STARTED_AGAIN, "max_calls": 0}  # workers stay, also those that had a GPU
        self.task = ray.remote(**resources, **again)(run_attempt)

    def compute(self, asked: Asked, cells: Sequence[Cell], limits: Limits, jobs: int) -> list[Outcome | None]:
        """Compute cells, some at a time, and return what became of them."""
        numbers = {cell.name: number for number, cell in enumerate(asked.cells)}

        def compute(cell: Cell) -> Outcome:
            return run_one(numbers[cell.name], cell, lambda: work(cell, asked.configs[cell.name], limits, self.run))

        pool = ThreadPoolExecutor(jobs, thread_name_prefix="cell")  # each waits for Ray
        try:
            return list(pool.map(compute, cells))
        except BaseException:
            self.stopped.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def run(self, folder: Path, sweep: Path, limits: Limits, renew: Callable[[], None]) -> int | None:
        """Compute a cell once, somewhere in the cluster; see `attempt.run_here`."""
        task = self.task.remote(self.driver, folder, pack(folder), limits)
        while not self.ray.wait([task], timeout=RENEWED)[0]:
            renew()
            if self.stopped.is_set():
                self.ray.cancel(task, force=True)
                raise KeyboardInterrupt  # which is no failure of the cell
        try:
            status, packed = self.ray.get(task)
        except Exception as error:  # Ray raises errors of its own, and those of the task as they were
            with (folder / LOG).open("a", encoding="utf8") as log:
                log.write(f"\nerror: Ray lost it: {format_error(getattr(error, 'cause', None) or error)}\n")
            return LOST
        if packed:
            unpack(packed, folder)
        return None if status is None else int(status)

    def clean(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Remove what the sweep has left on machines that do not share its folder."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remove = self.ray.remote(num_cpus=0)(remove_own_folder)
        places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=True) for node in nodes if node["Alive"]]
        tasks = [remove.options(scheduling_strategy=place).remote(self.driver) for place in places]
        self.ray.wait(tasks, num_returns=len(tasks), timeout=RENEWED)


def _check_address(address: str) -> None:
    """Look whether anything answers; Ray itself would wait for minutes.

    Raises:
        UserError: nothing does, or it is no address.
    """
    host, colon, port = address.rpartition(":")
    if address == "auto":
        return
    said = f"hydra.launcher.address={address}"
    if not (host and colon and port.isdecimal()) or "/" in host:
        raise UserError(f"{said} is not allowed: input should be HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWERED).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"{said}: no Ray answers there: {error}") from error


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("sweep=ray needs Ray, which is not installed: pip install 'veilbench[ray]'") from error
    return ray


def _prepare(address: str | None) -> None:
    """Set the variables that Ray reads when it is imported."""
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    if address is None and "RAY_AUTH_MODE" not in os.environ:  # it listens on the network: a token keeps others out
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _describe(resources: Mapping[str, float]) -> str:
    memory = resources.get("memory", 0) / 2**30
    return f"{resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs, {memory:.1f} GiB"
