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
def start_server(above: Path | None = None) -> Iterator[None]:
    """Run a server of forks within the block; stages started by then wait for nothing.

    Args:
        above: existing folder for the folder of the server's socket; None for the system's temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="veilbench-", dir=above) as folder:
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
