"""Runs one command as a user would, in a process of its own, within limits of time, memory and reach.

The quick way forks a process that has imported everything and is otherwise fresh: exit code, streams, working folder
and globals are the child's own. `fresh` starts a new interpreter, which costs ten seconds more and is done now and
then, to see that both ways say the same.
"""

from __future__ import annotations

import faulthandler
import io
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import guard

GIB = 1 << 30
DROPPED = ("VEILBENCH_", "MLFLOW_", "DVC_", "HYDRA_")
NOWHERE = "http://127.0.0.1:9"  # nothing is fetched


@dataclass(frozen=True)
class Limits:
    """What one run may take.

    Attributes:
        cpu: seconds of one processor.
        wall: seconds until it is ended whatever it does.
        memory: bytes of address space beyond what the imports took.
    """

    cpu: int = 10
    wall: float = 60.0
    memory: int = 4 * GIB


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: the exit code; the negative number of the signal that ended it.
        out: what it wrote on stdout.
        err: what it wrote on stderr.
        accepted: whether it had taken its settings and begun to work.
        stopped: whether a limit of time ended it.
        cpu: seconds of processor time.
    """

    code: int
    out: str
    err: str
    accepted: bool = False
    stopped: bool = False
    cpu: float = 0.0


def environment(scratch: Path) -> dict[str, str]:
    """The user's environment without what steers veilbench, and with all scratch files in one folder."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(DROPPED)}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    return kept | proxies | {"HOME": str(scratch), "TMPDIR": str(scratch), "CI": "true", "COLUMNS": "200"}


def forked(command: Sequence[str], bench: Path, scratch: Path, limits: Limits, writable: Sequence[Path]) -> Ended:
    """Run a command in a child of this process.

    Args:
        command: a script below `bench` and its arguments, or `veilbench` and its own.
        bench: the working folder.
        scratch: for temporary files.
        limits: what it may take.
        writable: folders that it may write to.
    """
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as marker:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if not child:
            _be_the_command(command, bench, scratch, limits, writable, (out.fileno(), err.fileno(), marker.fileno()))
        stopped, status, cpu = _wait(child, limits)
        return Ended(
            os.waitstatus_to_exitcode(status),
            _text(out),
            _text(err),
            marker.seek(0, os.SEEK_END) > 0,
            stopped,
            cpu,
        )


def fresh(command: Sequence[str], bench: Path, scratch: Path, limits: Limits, writable: Sequence[Path]) -> Ended:
    """Run a command in a new interpreter; arguments as for `forked`. What it has accepted is not known."""
    scratch.mkdir(exist_ok=True)
    start = ["-c", "from veilbench.cli import main; main()"] if command[0] == "veilbench" else [command[0]]

    def before() -> None:
        _limit(limits)
        guard.confine(writable)

    paths = os.pathsep.join([str(_source()), str(bench)])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, "-B", *start, *command[1:]],
            cwd=bench, env=environment(scratch) | {"PYTHONPATH": paths}, stdin=subprocess.DEVNULL,
            stdout=out, stderr=err, start_new_session=True, preexec_fn=before,
        )  # fmt: skip
        stopped, status, cpu = _wait(process.pid, limits)
        process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(process.returncode, _text(out), _text(err), False, stopped, cpu)


def _source() -> Path:
    import veilbench

    return Path(veilbench.__file__).parents[1]


def _text(file: object) -> str:
    file.seek(0)  # type: ignore[attr-defined]
    return str(file.read(1 << 22).decode("utf8", "replace"))  # type: ignore[attr-defined]


def _wait(child: int, limits: Limits) -> tuple[bool, int, float]:
    """Whether a limit ended the child, its status, and its seconds; everything that it started is ended too."""
    ends = os.pidfd_open(child)
    in_time = select.select([ends], [], [], limits.wall)[0]
    os.close(ends)
    if not in_time:
        os.kill(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    by_cpu = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
    return not in_time or by_cpu, status, usage.ru_utime + usage.ru_stime


def _limit(limits: Limits) -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu, limits.cpu + 5))
    resource.setrlimit(resource.RLIMIT_AS, (used + limits.memory,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (GIB // 2,) * 2)


def _be_the_command(
    command: Sequence[str],
    bench: Path,
    scratch: Path,
    limits: Limits,
    writable: Sequence[Path],
    streams: tuple[int, int, int],
) -> None:
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        faulthandler.disable()  # pytest has it on, with a stream of its own
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (streams[0], 1), (streams[1], 2)):
            os.dup2(source, target)
        os.chdir(bench)
        os.environ.clear()
        os.environ.update(environment(scratch))
        tempfile.tempdir = None
        sys.dont_write_bytecode = True
        _limit(limits)
        guard.confine(writable)
        code = _exit_code(lambda: _execute(command, bench, streams[2]))
    except BaseException:
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def _exit_code(work: Callable[[], None]) -> int:
    """What the interpreter would end with."""
    try:
        work()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _execute(command: Sequence[str], bench: Path, marker: int) -> None:
    sys.stdout, sys.stderr = _stream(1, "surrogateescape"), _stream(2, "backslashreplace")
    sys.argv = list(command)
    if command[0] == "veilbench":
        from veilbench.cli import main

        main()
        return
    script = bench / command[0]
    sys.path[:0] = [str(script.parent), str(bench)]
    sys.modules.pop("here", None)  # the bench has its own
    _mark_acceptance(marker)
    runpy.run_path(str(script), run_name="__main__")


def _stream(number: int, errors: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf8", errors, line_buffering=True)


def _mark_acceptance(marker: int) -> None:
    """Note that settings were taken: the moment at which the stages are run."""
    from veilbench.bench import stages

    run_all = stages.run_all

    def marked(*arguments: object, **named: object) -> object:
        os.write(marker, b"x")
        return run_all(*arguments, **named)  # type: ignore[arg-type]

    stages.run_all = marked  # type: ignore[assignment]
