"""Which stages `dvc repro` runs again after a change, and which not."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import s3

from .conftest import EXPERIMENTS, Project


def stages_of(*names: str, only: tuple[str, ...] = ("train", "evaluate", "attack")) -> set[str]:
    return {f"{stage}@{name}" for stage in only for name in names}


ENDS = {"report", "track"}


def test_nothing_changed_runs_nothing(project: Project) -> None:
    assert project.repro() == set()


def test_a_comment_in_conf_reruns_only_resolve(project: Project) -> None:
    project.edit("conf/model/substitution.yaml", "_target_", "# A comment.\n_target_")
    assert project.repro() == {"resolve"}


@pytest.mark.slow
def test_a_base_config_reruns_the_experiments_that_share_it(project: Project) -> None:
    before = project.metrics()
    project.edit("conf/model/substitution.yaml", "Substitution\n", "Substitution\ncode_bits: [40]\n")
    ran = project.repro()
    changed = json.loads(project.run("dvc", "params", "diff", "--json").stdout)
    assert changed["params/plain_table.yaml"]["model.code_bits"] == {"old": "[32]", "new": "[40]"}
    assert "params/real_cipher.yaml" not in changed
    # The evaluation and the attack rerun because their input has changed.
    assert ran == stages_of("plain_table", "other_table") | {"resolve"} | ENDS
    after = project.metrics()
    assert {path for path in after if after[path] != before[path]} >= {
        f"results/{name}/evaluate/metrics.json" for name in ("plain_table", "other_table")
    }
    assert after["results/real_cipher/attack/metrics.json"] == before["results/real_cipher/attack/metrics.json"]


@pytest.mark.slow
def test_a_module_reruns_the_experiments_that_use_it(project: Project) -> None:
    project.edit(
        "src/veilbench/families/ciphers/baselines/substitution.py",
        "rng = np.random.default_rng(seed)",
        "rng = np.random.default_rng(seed + 1)",
    )
    ran = project.repro()
    assert stages_of("plain_table", "other_table", only=("train",)) <= ran
    # The attack's positive control is this very class, so every attack reruns; no training or evaluation of others.
    assert ran & stages_of("real_cipher") == {"attack@real_cipher"}


def test_a_comment_in_code_reruns_only_resolve(project: Project) -> None:
    project.edit("src/veilbench/families/ciphers/baselines/aes_ctr.py", "class AesCtr", "# A comment.\nclass AesCtr")
    assert project.repro() == {"resolve"}


@pytest.mark.slow
def test_one_attack_setting_reruns_one_attack(project: Project) -> None:
    project.edit("conf/experiment/real_cipher.yaml", "games: 20", "games: 22")
    assert project.repro() == {"resolve", "attack@real_cipher"} | ENDS


@pytest.mark.slow
def test_other_times_of_a_training_rerun_no_attack(project: Project) -> None:
    cost = project.folder / "results/real_cipher/train/cost.json"
    before = cost.read_text()
    assert project.repro("--force", "--single-item", "train@real_cipher") == {"train@real_cipher"}
    assert cost.read_text() != before
    assert project.repro() == ENDS


def test_one_stage_of_one_experiment_as_processes(project: Project) -> None:
    project.forks = {}
    project.edit("conf/experiment/real_cipher.yaml", "seed: 2", "seed: 7")
    assert project.repro("train@real_cipher") == {"resolve", "train@real_cipher"}


@pytest.mark.slow
def test_dvc_experiments_metrics_and_plots(project: Project) -> None:
    done = project.run("dvc", "exp", "run", "-S", "conf/experiment/plain_table.yaml:seed=5")
    assert "Running stage 'train@plain_table'" in done.stdout
    assert "Running stage 'train@real_cipher'" not in done.stdout
    shown = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)
    files = shown[""]["data"]
    assert len(files) == 2 * len(EXPERIMENTS), "the utility and the strongest attack of each experiment"
    assert {key for file in files.values() for key in file["data"]} == {"metric", "value", "low", "high", "verdict"}
    own = files[str(Path("results/plain_table/evaluate/headline.json"))]["data"]
    assert (own["metric"], own["value"]) == ("fidelity.round_trip_english", 1.0)
    table = project.run("dvc", "metrics", "show").stdout.splitlines()
    assert max(map(len, table)) <= 120
    changed = json.loads(project.run("dvc", "metrics", "diff", "--all", "--json").stdout)
    assert "results/plain_table/attack/headline.json" in str(changed)
    plots = project.run("dvc", "plots", "show")
    page = project.folder / "dvc_plots" / "index.html"
    assert page.is_file(), plots.stdout
    assert "curves.csv" in page.read_text()
    assert "dvc_plots" not in project.run("git", "status", "--short").stdout


def working(pid: int) -> set[int]:
    """Return the running stages that a process has started, from Linux's /proc."""
    started = {int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _read(task / "children").split()}
    return {child for child in started if b"pipelines/" in _read(Path(f"/proc/{child}/cmdline"))}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""


def kill_during(project: Project, stage: str) -> None:
    """Start `dvc repro`, and kill it with SIGKILL when the stage's process has just begun to work.

    DVC rewrites dvc.lock in place between stages. A kill in those milliseconds is not tested here, so the test waits
    for the stage's process and checks that it is running.
    """
    dvc = subprocess.Popen(
        [str(Path(sys.executable).parent / "dvc"), "repro"],
        cwd=project.folder,
        env=project.environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert dvc.stdout
    assert any(line.startswith(f"Running stage '{stage}'") for line in dvc.stdout)
    until = time.monotonic() + 60
    while not working(dvc.pid) and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.25)  # the shortest stage takes longer to import numpy
    assert working(dvc.pid), f"{stage} ended before it could be killed"
    os.kill(dvc.pid, signal.SIGKILL)
    dvc.wait()
    dvc.stdout.close()


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_like_an_undisturbed_one(project: Project, reproduced: Project) -> None:
    project.forks = {}
    (project.folder / "dvc.lock").unlink()
    for made in ("results", "prepared", "report", ".dvc/cache"):
        shutil.rmtree(project.folder / made)
    name = "plain_table"
    for stage in ("resolve", "prepare@text", f"train@{name}", f"evaluate@{name}", f"attack@{name}", "report"):
        kill_during(project, stage)
    assert {"report", "track"} <= project.repro()
    assert project.metrics() == reproduced.metrics()
    assert not list(project.folder.rglob(".*.partial*"))
    assert project.repro() == set()


UNCACHED = {"report"}  # the only output that a clone has neither in git nor in the cache


def clone(project: Project, folder: Path) -> Project:
    subprocess.run(["git", "clone", "-q", str(project.folder), str(folder)], check=True)
    return Project(folder, project.forks)


@pytest.mark.slow
def test_clones_with_one_cache_run_a_stage_once(project: Project, tmp_path: Path) -> None:
    locked, fresh = clone(project, tmp_path / "locked"), clone(project, tmp_path / "fresh")
    (fresh.folder / "dvc.lock").unlink()  # only the run cache knows the results
    for other, uncached in ((locked, UNCACHED), (fresh, UNCACHED | {"resolve", "track"})):
        other.run("dvc", "config", "--local", "cache.dir", str(project.folder / ".dvc" / "cache"))
        assert other.repro() == uncached
        assert other.metrics() == project.metrics()


@pytest.mark.slow
def test_a_clone_that_pulls_from_a_remote_runs_nothing(project: Project, tmp_path: Path) -> None:
    other = clone(project, tmp_path / "other")
    for one in (project, other):
        one.run("dvc", "remote", "add", "--local", "-d", "shared", str(tmp_path / "remote"))
    project.run("dvc", "push", "-q")
    other.run("dvc", "pull", "-q")
    assert other.metrics() == project.metrics()
    assert other.repro() == UNCACHED


SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
SETTINGS = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/mine.pub
PidFile {folder}/sshd.pid
StrictModes no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A server for ssh on the loopback interface; gives the settings of a remote on it."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    for key in ("host", "mine"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    (folder / "sshd.conf").write_text(SETTINGS.format(folder=folder, port=port))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd of the superuser needs it
    assert SSHD
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd.conf")], stdout=log, stderr=log)
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path / 'remote'}"
    try:
        yield {"url": url, "keyfile": str(folder / "mine")}
    finally:
        server.terminate()
        server.wait()


@pytest.mark.slow
@pytest.mark.skipif(not SSHD or find_spec("dvc_ssh") is None, reason="sshd or dvc-ssh is not installed")
def test_a_clone_that_pulls_by_ssh_runs_nothing(project: Project, tmp_path: Path, ssh: dict[str, str]) -> None:
    other = clone(project, tmp_path / "other")
    for one in (project, other):
        one.run("dvc", "remote", "add", "--local", "-d", "far", ssh["url"])
        one.run("dvc", "remote", "modify", "--local", "far", "keyfile", ssh["keyfile"])
    project.run("dvc", "push", "-q")
    assert [*(tmp_path / "remote").iterdir()]
    other.run("dvc", "pull", "-q")
    assert other.metrics() == project.metrics()
    assert other.repro() == UNCACHED


@pytest.mark.slow
@pytest.mark.loopback
@pytest.mark.skipif(s3.LACKING or find_spec("dvc_s3") is None, reason="dvc-s3 or moto is not installed")
def test_a_clone_that_pulls_from_s3_runs_nothing(project: Project, tmp_path: Path) -> None:
    other = clone(project, tmp_path / "other")
    with s3.start_s3(tmp_path) as storage:
        for one in (project, other):
            one.run("dvc", "remote", "add", "--local", "-d", "results", f"s3://{s3.BUCKET}/results")
            one.run("dvc", "remote", "modify", "--local", "results", "endpointurl", storage.address)
        project.run("dvc", "push", "-q", **s3.KEYS)
        assert all(name.startswith("results/files/") for name in storage.names())
        other.run("dvc", "pull", "-q", **s3.KEYS)
    assert other.metrics() == project.metrics()
    assert other.repro() == UNCACHED
