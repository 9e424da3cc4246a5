"""A user's bench with the installed wheel and the example plug-in, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import yaml
from PIL import Image

from veilbench.workflow.forking import SOCKET

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Installed:
    """An environment with the wheel of veilbench and of the example; libraries come from this environment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.forks = folder, folder / "bin", dict[str, str]()
        venv.create(folder, with_pip=False)
        wheels = folder / "wheels"
        for project in (ROOT, ROOT / "examples" / "ridges"):
            self._run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(wheels), str(project))
        site = next(folder.glob("lib/python*/site-packages"))
        for wheel in wheels.glob("*.whl"):
            ZipFile(wheel).extractall(site)
        here = next(Path(path) for path in sys.path if path.endswith("site-packages"))
        (site / "libraries.pth").write_text(f"{here}\n")
        self.write_program("veilbench", "from veilbench.cli import main")
        self.write_program("dvc", "from dvc.cli import main")

    def write_program(self, name: str, imported: str) -> None:
        text = f"#!{self.bin / 'python'}\nimport sys\n{imported}\nsys.exit(main())\n"
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        dropped = ("PYTHONPATH", "MLFLOW_TRACKING_URI", "DVC_ROOT")
        environment = {k: v for k, v in os.environ.items() if k not in dropped}
        environment |= {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "CI": "true"} | self.forks
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def forking(self) -> Iterator[None]:
        """Run `veilbench` as forks of one process within the block, as `veilbench repro` runs its stages."""
        socket = self.folder / "forks"
        command = [str(self.bin / "python"), "-m", "veilbench.workflow.forking", str(socket), str(os.getpid())]
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        server = subprocess.Popen(command, cwd=self.folder, env=kept)
        while not socket.exists():
            assert server.poll() is None
            time.sleep(0.05)
        self.forks = {SOCKET: str(socket)}
        try:
            yield
        finally:
            self.forks = {}
            server.kill()
            server.wait()

    def veilbench(self, cwd: Path, *arguments: str) -> str:
        return self._run(str(self.bin / "veilbench"), *arguments, cwd=cwd)

    def repro(self, cwd: Path) -> set[str]:
        """Run `dvc repro`, and return the stages that ran."""
        lines = self._run(str(self.bin / "dvc"), "repro", cwd=cwd).splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage '")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("environment"))


def write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for person in range(12):
        (folder / f"p{person}").mkdir(parents=True)
        look = rng.integers(0, 255, (32, 32))
        for number in range(4):
            pixels = np.uint8(np.clip(look + rng.normal(0, 20, look.shape), 0, 255))
            Image.fromarray(pixels).save(folder / f"p{person}" / f"{number}.png")


OF_FACES = """# @package _global_
defaults:
  - raw_template
  - override /data: faces
  - override /evaluation: []
  - override /attack: []
"""
SMALL = """# @package _global_
defaults:
  - ridges
  - override /model: gabor
  - override /attack: [coarse_image]
  - _self_

training: {max_steps: 20}
"""


def names(folder: Path) -> set[str]:
    return {row["name"] for row in json.loads((folder / "report" / "leaderboard.json").read_text("utf8"))}


def test_a_bench_goes_through_every_stage_and_reruns_exactly_what_changed(installed: Installed, tmp_path: Path) -> None:
    installed.veilbench(tmp_path, "init", "demo")
    demo = tmp_path / "demo"
    assert "ridges" in installed.veilbench(demo, "list", "models")
    (demo / "conf" / "experiment" / "small.yaml").write_text(SMALL)
    (demo / "conf" / "experiment" / "faces.yaml").write_text(OF_FACES)
    (demo / "conf" / "data" / "faces.yaml").parent.mkdir()
    faces = "defaults: [image_folder, _self_]\nsource: {folder: faces, size: [32, 32]}\n"
    (demo / "conf" / "data" / "faces.yaml").write_text(faces)
    (demo / "conf" / "pipeline.yaml").write_text(yaml.safe_dump({"experiments": ["small", "faces", "ridges"]}))
    write_images(demo / "faces")
    installed.veilbench(demo, "resolve")

    everything = {
        f"{stage}@{name}" for name in ("small", "faces", "ridges") for stage in ("train", "evaluate", "attack")
    }
    prepared = {"prepare@gratings", "prepare@faces"}
    with installed.forking():
        assert installed.repro(demo) == everything | prepared | {"resolve", "report", "track"}
        assert names(demo) == {"small", "faces", "ridges"}
        assert installed.repro(demo) == {"resolve"}

        encoder = demo / "demo" / "encoder.py"
        encoder.write_text(
            encoder.read_text().replace("adaptive_avg_pool2d(responses, 12)", "adaptive_avg_pool2d(responses, 8)")
        )
        after = {"resolve", "report", "track"}
        assert installed.repro(demo) == after | {"train@small", "evaluate@small", "attack@small"}

        (demo / "faces" / "p3" / "1.png").unlink()
        assert installed.repro(demo) == after | {"prepare@faces", "train@faces", "evaluate@faces", "attack@faces"}
        installed.veilbench(demo, "sweep", "-m", "experiment=small", "seed=2,3", "attack=[]")
    installed.veilbench(demo, "run", "experiment=small", "seed=1")
    installed.veilbench(demo, "report", "results", "outputs", "multirun")
    assert {"small", "small seed=1", "small attack=[] seed=2", "small attack=[] seed=3"} <= names(demo)


def test_a_variant_by_dvc_exp_run_takes_the_change(installed: Installed, tmp_path: Path) -> None:
    """Also in a copy of the bench, where configuration and code come from that copy."""
    installed.veilbench(tmp_path, "init", "demo")
    demo = tmp_path / "demo"
    (demo / "conf" / "experiment" / "gabor.yaml").write_text(SMALL)
    installed.veilbench(demo, "resolve")
    installed._run("git", "add", "-A", cwd=demo)
    installed._run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "first", cwd=demo)
    wanted = "conf/model/gabor.yaml:code=7"
    installed._run(str(installed.bin / "dvc"), "exp", "run", "--temp", "-n", "narrow", "-S", wanted, cwd=demo)
    installed._run(str(installed.bin / "dvc"), "exp", "apply", "narrow", cwd=demo)
    saved = json.loads((demo / "results" / "gabor" / "train" / "model.json").read_text())
    assert saved["settings"]["net"]["encoder"]["code"] == 7


def test_the_included_denoiser_is_installed(installed: Installed, tmp_path: Path) -> None:
    write_images(tmp_path)
    installed.veilbench(tmp_path, "autoencoder", "restore", "denoiser", "p0/0.png", "--out", "restored")
    with Image.open(tmp_path / "p0" / "0.png") as noisy, Image.open(tmp_path / "restored" / "0.png") as restored:
        assert restored.size == (32, 32)
        assert not np.array_equal(np.asarray(noisy), np.asarray(restored))
