"""Runs the Flower app over real sockets, with a SuperLink and SuperNodes on loopback.

These processes are always stopped at the end; if this process is killed, a process started by `flower.warden` stops
them. There is no TLS, since this is for testing a deployment, not for production.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.families.mail.data.mail import load_mails
from veilbench.families.mail.flower.app import DEFAULTS
from veilbench.families.mail.flower.warden import start_warden

PATIENCE = 900.0  # seconds for everything: on a busy machine all steps are slow, and only a hang takes this long
MODULE = """from veilbench.families.mail.flower.app import client_app, server_app

client = client_app()
server = server_app()
"""
PROJECT = """[project]
name = "veilbench-mail"
version = "1.0.0"
license = {{ file = "LICENSE" }}
dependencies = ["flwr>=1.41,<2.0"]

[tool.flwr.app]
publisher = "veilbench"
fab-format-version = 1
flwr-version-target = "{version}"

[tool.flwr.app.components]
serverapp = "mail_app:server"
clientapp = "mail_app:client"

[tool.flwr.app.config]
{config}
"""


def deploy(prepared: Path, out: Path, settings: Mapping[str, str], patience: float = PATIENCE) -> None:
    """Start all processes, train, wait for the filter in `out`, and stop all processes.

    Args:
        prepared: folder of the prepared mails.
        out: folder for the filter; must not exist.
        settings: settings that override `app.DEFAULTS`, each value as TOML.
        patience: maximum number of seconds for everything, from the start of the first process to the filter.

    Raises:
        UserError: `out` exists, a process ended early, or the filter was not there in time.
    """
    deadline = time.monotonic() + patience
    if out.exists():
        raise UserError(f"{out} exists already: name a new folder")
    clients = int(load_mails(prepared).clients.max()) + 1
    with tempfile.TemporaryDirectory(prefix="veilbench-flower-") as home, ExitStack() as started:
        folder, port = Path(home), _find_free_port()
        overrides = {
            "prepared": repr(str(prepared.resolve())),
            "out": repr(str(out.resolve())),
            "clients": str(clients),
        }
        _write_project(folder, port, dict(settings) | overrides)
        register = started.enter_context(start_warden())
        running = [started.enter_context(_start_process(folder, "link", _build_link_command(port), register))]
        _wait_until(lambda: _is_listening(port), running, folder, deadline)
        for client in range(clients):
            node = _start_process(folder, f"node{client}", _build_node_command(port, client, clients), register)
            running.append(started.enter_context(node))
        submitted = _run_command(folder, ["flwr", "run", str(folder / "app"), "loopback"], deadline)
        _wait_until(lambda: (out / "model.safetensors").is_file(), running, folder, deadline, submitted)


def _build_link_command(port: int) -> list[str]:
    return ["flower-superlink", "--insecure", "--port", str(port), "--disable-runtime-dependency-installation"]


def _build_node_command(port: int, client: int, clients: int) -> list[str]:
    config = f"partition-id={client} num-partitions={clients}"
    address = f"127.0.0.1:{port}"
    port_arguments = ["--port", str(_find_free_port())]
    return ["flower-supernode", "--insecure", "--superlink", address, "--node-config", config, *port_arguments]


def _write_project(folder: Path, port: int, config: dict[str, str]) -> None:
    """Write Flower's app folder and its list of servers."""
    from importlib.metadata import version

    (folder / "app").mkdir()
    lines = [f"{name} = {config.get(name, _to_toml(value))}" for name, value in DEFAULTS.items()]
    text = PROJECT.format(version=version("flwr"), config="\n".join(lines))
    (folder / "app" / "pyproject.toml").write_text(text, encoding="utf8")
    (folder / "app" / "LICENSE").write_text("Apache-2.0\n", encoding="utf8")
    (folder / "app" / "mail_app.py").write_text(MODULE, encoding="utf8")
    servers = (
        f'[superlink]\ndefault = "loopback"\n\n[superlink.loopback]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    (folder / "config.toml").write_text(servers, encoding="utf8")


def _to_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _build_environment(folder: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | {"FLWR_HOME": str(folder), "FLWR_TELEMETRY_ENABLED": "0", "PATH": path, "OMP_NUM_THREADS": "1"}


@contextmanager
def _start_process(
    folder: Path, name: str, command: Sequence[str], register: Callable[[int], None]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in its own group, register it with the warden, and stop the whole group at the end."""
    program = shutil.which(command[0], path=_build_environment(folder)["PATH"])
    if program is None:
        raise UserError(f"{command[0]} is not installed: pip install 'veilbench[federated]'")
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *command[1:]], stdout=log, stderr=log, env=_build_environment(folder), start_new_session=True
        )
        try:
            register(process.pid)
            yield process
        finally:
            for signal in (15, 9):
                try:
                    os.killpg(process.pid, signal)
                    process.wait(10)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def _run_command(folder: Path, command: Sequence[str], deadline: float) -> str:
    environment, rest = _build_environment(folder), max(0.0, deadline - time.monotonic())
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    try:
        result = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, env=environment, timeout=rest, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError("flwr run has not ended in time") from error
    if result.returncode:
        raise UserError(f"flwr run failed: {' '.join((result.stdout + result.stderr).split())[-400:]}")
    return result.stdout


def _wait_until(
    done: Callable[[], bool], running: Sequence[subprocess.Popen[bytes]], folder: Path, deadline: float, said: str = ""
) -> None:
    """Wait until `done` returns true.

    Args:
        done: function that is called every 0.2 seconds.
        running: processes that must keep running.
        folder: folder with the logs of the processes.
        deadline: time at which the waiting ends, on the clock of `time.monotonic`.
        said: output of the submission, for the error message.

    Raises:
        UserError: a process ended, or the time is up; the message contains the ends of the logs.
    """
    while not done():
        if any(process.poll() is not None for process in running) or time.monotonic() > deadline:
            tails = [f"{log.name}: {log.read_text(errors='replace')[-300:]!r}" for log in sorted(folder.glob("*.log"))]
            raise UserError(f"the federation failed or timed out; {said[-200:]!r}; {'; '.join(tails)}")
        time.sleep(0.2)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
