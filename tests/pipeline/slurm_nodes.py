"""Slurm with two nodes of one CPU each on the loopback of this machine, without cgroups and without accounting."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
NODES = ("one", "two")
SETTINGS = """
ClusterName=veilbench
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
KillWait=5
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=4000
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=4000
PartitionName=main Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """Daemons of Slurm, as processes of this one.

    Args:
        folder: existing folder for their files, with a short path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        self.configuration = folder / "slurm.conf"

    def start(self) -> None:
        """Start all daemons, and wait until both nodes are idle."""
        names = {"folder": self.folder, "host": socket.gethostname(), "user": getpass.getuser()}
        self.configuration.write_text(SETTINGS.format(ports=_free_ports(3), **names))
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        self.folder.chmod(0o755)
        options = {"key-file": key, "socket": self.folder / "munge.socket", "pid-file": self.folder / "munge.pid",
                   "log-file": self.folder / "munge.log", "seed-file": self.folder / "munge.seed"}  # fmt: skip
        self._run("munged", "--foreground", "--force", *[f"--{name}={path}" for name, path in options.items()])
        while not (self.folder / "munge.socket").exists():
            time.sleep(0.1)
        self.start_controller()
        for name in NODES:
            self._run("slurmd", "-D", "-N", name, daemon=name)
        for _ in range(600):
            if self.ask("sinfo", "--noheader", "--format=%T %D").strip() == "idle 2":
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "slurmctld.out").read_text())

    def start_controller(self) -> None:
        """Start the controller, for the first time or after it was killed."""
        self._run("slurmctld", "-D")

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm prints; empty if it fails."""
        environment = os.environ | {"SLURM_CONF": str(self.configuration)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def stop(self) -> None:
        """End all jobs and all daemons."""
        self.ask("scancel", f"--user={os.getuid()}")
        time.sleep(2)
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def _run(self, *command: str, daemon: str = "") -> None:
        name = daemon or command[0]
        environment = os.environ | {"SLURM_CONF": str(self.configuration)}
        with (self.folder / f"{name}.out").open("ab") as said:
            self.daemons[name] = subprocess.Popen(command, env=environment, stdout=said, stderr=said)


@contextmanager
def start_slurm(folder: Path) -> Iterator[Slurm]:
    """Run Slurm within the block."""
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


def _free_ports(count: int) -> list[int]:
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in listening]
    for one in listening:
        one.close()
    return ports
