"""PostgreSQL on this machine, for tests: a server of their own, with a database for each."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

USER = "postgres"  # of the server, and of its processes where the tests run as root, which it refuses


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; None if it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Postgres:
    """A server that runs.

    Args:
        port: its port on the loopback interface.
    """

    def __init__(self, port: int) -> None:
        self.port = port

    def create_database(self) -> str:
        """Create an empty database, and return its address as SQLAlchemy takes it."""
        import psycopg

        name = f"d{token_hex(6)}"
        with psycopg.connect(host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True) as one:
            one.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{name}"


@contextmanager
def start_postgres() -> Iterator[Postgres]:
    """Run a server within the block."""
    programs = find_programs()
    assert programs
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = int(one.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder, user = Path(name), USER if os.getuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        data = ["-D", str(folder / "data")]

        def run(program: str, *words: str) -> None:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run([programs / program, *data, *words], check=True, user=user, cwd=folder, **quiet)

        run("initdb", "-A", "trust", "-U", USER)
        run("pg_ctl", "-w", "-o", settings, "start")
        try:
            yield Postgres(port)
        finally:
            run("pg_ctl", "-m", "fast", "stop")
