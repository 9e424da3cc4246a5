"""MariaDB on this machine, for tests: a server of their own, with a database for each."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from typing import Any

PATH = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"
SERVER, INSTALL = (shutil.which(name, path=PATH) for name in ("mariadbd", "mariadb-install-db"))
LACKING = SERVER is None or INSTALL is None or find_spec("pymysql") is None
USER = "me"


class MariaDb:
    """A server that runs.

    Args:
        port: its port on the loopback interface.
        socket: its socket for the user who started it.
    """

    def __init__(self, port: int, socket: Path) -> None:
        self.port, self.socket = port, socket

    def run(self, *commands: str) -> None:
        import pymysql

        with pymysql.connect(unix_socket=str(self.socket), user=getpass.getuser()) as one, one.cursor() as cursor:
            for command in commands:
                cursor.execute(command)

    def create_database(self) -> str:
        """Create an empty database, and return its address as SQLAlchemy takes it."""
        name = f"d{token_hex(6)}"
        self.run(f"CREATE DATABASE {name}", f"GRANT ALL ON {name}.* TO '{USER}'@'127.0.0.1' IDENTIFIED BY 'secret'")
        return f"mysql+pymysql://{USER}:secret@127.0.0.1:{self.port}/{name}"


@contextmanager
def start_mariadb() -> Iterator[MariaDb]:
    """Run a server within the block."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = int(one.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="maria-", ignore_cleanup_errors=True) as name:
        folder, quiet = Path(name), {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        own: list[Any] = ["--no-defaults", f"--datadir={folder / 'data'}", f"--user={getpass.getuser()}"]
        subprocess.run([INSTALL, *own, "--auth-root-authentication-method=socket"], check=True, **quiet)
        place = [f"--socket={folder / 's'}", f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([SERVER, *own, *place], stdout=log, stderr=log)
        try:
            ends = time.monotonic() + 120
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < ends
                time.sleep(0.2)
            yield MariaDb(port, folder / "s")
        finally:
            process.terminate()
            process.wait()
