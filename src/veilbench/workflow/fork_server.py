"""Starts the server of forks, see `forking`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veilbench.workflow.forking import SOCKET


@contextmanager
def start_server() -> Iterator[None]:
    """Run a server of forks within the block; stages started by then wait for nothing."""
    with tempfile.TemporaryDirectory(prefix="veilbench-") as folder:
        path = Path(folder) / "forks"
        command = [sys.executable, "-m", "veilbench.workflow.forking", str(path), str(os.getpid())]
        server = subprocess.Popen(command)
        os.environ[SOCKET] = str(path)
        try:
            yield
        finally:
            del os.environ[SOCKET]
            server.kill()
            server.wait()
