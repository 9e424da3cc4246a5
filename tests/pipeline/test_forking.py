"""Stages as forks of a server: the same outcome as by themselves, and nothing outlives its parent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from veilbench.workflow.forking import SOCKET

ROOT = Path(__file__).parents[2]
SERVE = "import sys, pathlib; from veilbench.workflow import forking; forking.serve(pathlib.Path(sys.argv[1]), [])"
SCRIPT = """
import sys
sys.path.insert(0, {src!r})
from veilbench.workflow.forking import forward
forward()
import os, time
from pathlib import Path
print("out", sys.argv[1:], os.getcwd(), os.environ.get("MINE"), os.getppid(), sys.stdin.read())
print("err", file=sys.stderr)
if "frozen" in sys.argv:
    import gc
    sys.exit(3 if gc.get_freeze_count() > 1000 else 4)
if "sleep" in sys.argv:
    Path("pid").write_text(str(os.getpid()))
    time.sleep(600)
if "raise" in sys.argv:
    raise KeyError("lost")
sys.exit({{"two": 2, "text": "a message", "none": None}}.get(sys.argv[1], 0))
"""


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "script.py").write_text(SCRIPT.format(src=str(ROOT / "src")))
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    started = subprocess.Popen([sys.executable, "-c", SERVE, str(folder / "socket")], env=environment)
    wait_for((folder / "socket").exists)
    yield started
    started.kill()
    started.wait()


def start(folder: Path, *arguments: str, socket: bool = True) -> subprocess.Popen[str]:
    environment = os.environ | {"MINE": "yes"} | ({SOCKET: str(folder / "socket")} if socket else {})
    command = [sys.executable, "script.py", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)  # type: ignore[call-overload]


def ended(folder: Path, *arguments: str, socket: bool = True) -> tuple[int, str, str]:
    process = start(folder, *arguments, socket=socket)
    out, err = process.communicate("typed")
    return process.returncode, out, err


@pytest.mark.parametrize("word", ["zero", "two", "text", "none", "raise"])
def test_a_fork_ends_as_the_script_by_itself(folder: Path, server: subprocess.Popen[bytes], word: str) -> None:
    forked, plain = ended(folder, word), ended(folder, word, socket=False)
    assert f" {server.pid} typed" in forked[1]  # its parent is the server
    assert forked[1].replace(f" {server.pid} ", f" {os.getpid()} ") == plain[1]
    assert forked[0] == plain[0]
    assert forked[2].splitlines()[0] == plain[2].splitlines()[0] == "err"
    assert forked[2].splitlines()[-1] == plain[2].splitlines()[-1]


def test_garbage_collection_leaves_out_what_a_fork_shares_with_the_server(
    folder: Path, server: subprocess.Popen[bytes]
) -> None:
    assert ended(folder, "frozen")[0] == 3
    assert ended(folder, "frozen", socket=False)[0] == 4


def test_nothing_of_one_request_is_left_for_the_next(folder: Path, server: subprocess.Popen[bytes]) -> None:
    assert ended(folder, "two")[0] == 2
    assert ended(folder, "zero")[0] == 0
    assert "['zero']" in ended(folder, "zero")[1]


def test_a_fork_ends_with_the_process_that_asked_for_it(folder: Path, server: subprocess.Popen[bytes]) -> None:
    asking = start(folder, "sleep")
    assert asking.stdin is not None
    asking.stdin.close()
    wait_for(lambda: (folder / "pid").is_file() and (folder / "pid").read_text() != "")
    pid = int((folder / "pid").read_text())
    assert pid != asking.pid
    assert is_running(pid)
    asking.kill()
    asking.wait()
    wait_for(lambda: not is_running(pid))
    assert ended(folder, "zero")[0] == 0


def test_a_killed_fork_is_a_failure(folder: Path, server: subprocess.Popen[bytes]) -> None:
    asking = start(folder, "sleep")
    assert asking.stdin is not None
    asking.stdin.close()
    wait_for(lambda: (folder / "pid").is_file() and (folder / "pid").read_text() != "")
    os.kill(int((folder / "pid").read_text()), 9)
    assert asking.wait(60) == 1
    assert asking.stderr is not None
    assert "was killed" in asking.stderr.read()


def test_without_its_server_a_script_runs_by_itself(folder: Path, server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()
    code, out, _ = ended(folder, "two")
    assert code == 2
    assert f" {os.getpid()} typed" in out


def test_a_server_ends_with_its_parent(folder: Path) -> None:
    program = (
        "import subprocess, sys, os, time; from pathlib import Path;"
        "child = subprocess.Popen([sys.executable, '-m', 'veilbench.workflow.forking', 'other', str(os.getpid())]);"
        "Path('server').write_text(str(child.pid)); time.sleep(600)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=folder, env=environment)
    wait_for(lambda: (folder / "server").is_file() and (folder / "server").read_text() != "")
    pid = int((folder / "server").read_text())
    wait_for(lambda: is_running(pid) and b"forking" in Path(f"/proc/{pid}/cmdline").read_bytes())
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_running(pid))
