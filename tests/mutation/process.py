"""Runs tests of the copy in a child that has imported the heavy packages, and nothing of veilbench."""

from __future__ import annotations

import faulthandler
import importlib
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fuzz import guard

from .copied import Copied

HEAVY = (
    "torch", "torch._dynamo", "pytorch_lightning", "torchmetrics", "mlflow.tracking", "numba", "pandas", "hydra",
    "pydantic",
    "matplotlib.pyplot", "sklearn.datasets", "sklearn.linear_model", "sklearn.ensemble", "sklearn.neural_network",
    "sklearn.metrics", "sklearn.model_selection", "scipy.stats", "scipy.optimize", "scipy.spatial.distance", "skimage",
    "PIL.Image", "pyarrow.parquet", "_pytest.assertion.rewrite",
)  # fmt: skip
ARGUMENTS = ("-x", "-q", "-m", "not slow", "--assert=plain", "--tb=line", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Ended:
    """How a run of tests ended.

    Attributes:
        code: pytest's exit code; None where the time was over.
        seconds: how long it took.
        text: what it wrote.
    """

    code: int | None
    seconds: float
    text: str


def preload(folder: Path) -> None:
    """Import what takes long. Veilbench is not imported: each child reads it from the copy."""
    os.environ |= {"MPLCONFIGDIR": str(folder), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    for name in HEAVY:
        with suppress(ImportError):
            importlib.import_module(name)


def run(copy: Copied, arguments: Sequence[str], plugin: object, limit: float) -> Ended:
    """Run pytest in the copy.

    Args:
        copy: the copy.
        arguments: the files, below its root.
        plugin: takes part in the run.
        limit: seconds.
    """
    shutil.rmtree(copy.scratch)
    copy.scratch.mkdir()
    start = time.monotonic()
    with tempfile.TemporaryFile() as out:
        child = os.fork()
        if not child:
            _be_the_tests(copy, arguments, plugin, out.fileno())
        code = _wait(child, limit)
        out.seek(0)
        return Ended(code, time.monotonic() - start, out.read().decode("utf8", "replace"))


def _wait(child: int, limit: float) -> int | None:
    """The exit code, or None; everything that the child started is ended too."""
    ends, in_time = os.pidfd_open(child), []
    try:
        in_time = select.select([ends], [], [], limit)[0]
    finally:  # also where this process is told to end
        os.close(ends)
        if not in_time:
            os.kill(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    return os.waitstatus_to_exitcode(status) if in_time else None


def _be_the_tests(copy: Copied, arguments: Sequence[str], plugin: object, out: int) -> None:
    code = 70
    try:
        os.setsid()
        faulthandler.disable()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        os.chdir(copy.root)
        paths = [str(copy.root / "src"), str(copy.root)]
        scratch = str(copy.scratch)
        os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": scratch, "HOME": scratch}
        os.environ["NUMBA_CACHE_DIR"] = str(copy.compiled)
        tempfile.tempdir = None
        sys.dont_write_bytecode = True
        sys.path[:0] = paths
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]  # the copy has its own
        guard.confine([copy.root.parent])
        code = int(pytest.main([*ARGUMENTS, f"--basetemp={scratch}/pytest", *arguments], plugins=[plugin]))
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
