"""Runs stages as forks of a process that has imported the large libraries already, which saves seconds for each.

`repro` starts the server, `python -m veilbench.workflow.forking SOCKET PARENT`, and names its socket to the stages.
A stage's script then hands its arguments, folder, environment and streams to the server, and ends with the exit code of
the fork. The server imports libraries only; veilbench's own code is imported by the fork, so that it is never stale.
Without a server, or if it has died, the stage runs in its own process.

This module imports nothing large: every stage imports it first.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

SOCKET = "VEILBENCH_FORK_SERVER"  # environment variable with the path of the server's socket
LIBRARIES = (
    "numpy", "scipy.stats", "scipy.optimize", "scipy.signal", "sklearn.linear_model", "sklearn.decomposition",
    "sklearn.neighbors", "sklearn.neural_network", "sklearn.mixture", "sklearn.ensemble", "pandas", "numba",
    "pydantic.dataclasses", "pydantic.type_adapter", "jsonschema", "omegaconf", "PIL.Image", "skimage.metrics",
    "safetensors.numpy", "safetensors.torch", "yaml", "torch", "torch.optim", "pytorch_lightning", "torch._dynamo",
)  # fmt: skip
MOST = 1 << 20  # bytes of a request
STREAMS = 3  # file descriptors of stdin, stdout and stderr
PR_SET_PDEATHSIG = 1


def forward() -> None:
    """Let the server run this process's script, and end with its exit code; return if there is no server."""
    path = os.environ.get(SOCKET)
    if not path:
        return
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.connect(path)
        environment = {key: value for key, value in os.environ.items() if key != SOCKET}
        request = {"argv": sys.argv, "cwd": str(Path.cwd()), "environment": environment, "path": sys.path}
        message = json.dumps(request).encode() + b"\n"
        socket.send_fds(server, [message[:1]], list(range(STREAMS)))
        server.sendall(message[1:])
    except OSError:  # it has ended: run here
        server.close()
        return
    _die_with_parent()
    with contextlib.suppress(OSError):
        if answer := server.makefile("rb").readline():
            os._exit(int(answer))
    print("error: the stage's process was killed", file=sys.stderr)
    os._exit(1)


def serve(path: Path, libraries: Sequence[str] = LIBRARIES) -> NoReturn:
    """Import libraries, and fork a process for each request until this process is ended.

    Args:
        path: path of the socket to listen on.
        libraries: modules to import before the first fork; those that are not installed are left out.
    """
    for name in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if numba := sys.modules.get("numba"):
        numba.njit(lambda: None)()  # what a process's first call loads takes .3 s of its time
    # Garbage collection in a fork would look at all objects of the libraries, and so copy the memory that it shares.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have ended leave no zombie
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen(64)
        while True:
            client, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _run(client)
            client.close()


def _run(client: socket.socket) -> NoReturn:
    """Run one request in this fork, and end it."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _die_with_parent()
        first, streams, _, _ = socket.recv_fds(client, 1, STREAMS)
        request = json.loads(first + client.makefile("rb").readline(MOST))
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        threading.Thread(target=_end_with_client, args=(client,), daemon=True).start()
        code = _execute(request)
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(OSError):
            client.sendall(f"{code}\n".encode())
        os._exit(code)


def _execute(request: dict[str, object]) -> int:
    """Run the script as if it was started by itself, and return its exit code."""
    sys.argv, sys.path[:] = list(request["argv"]), list(request["path"])  # type: ignore[call-overload]
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return int(end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def _end_with_client(client: socket.socket) -> None:
    """End this process when the client ends: its `dvc repro` was killed."""
    with contextlib.suppress(OSError):
        client.recv(1)
    os._exit(1)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _die_with_parent()
    if os.getppid() == int(sys.argv[2]):
        serve(Path(sys.argv[1]))
