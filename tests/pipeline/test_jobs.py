"""Jobs and their folders: one job at a time, no mixed records, and only a job's own files are removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from veilbench.bench.errors import UserError
from veilbench.workflow import hydra_folders
from veilbench.workflow.hydra_folders import Before
from veilbench.workflow.job import RECORD, flat, record_job

from .conftest import ROOT

QUICK = ["experiment=aes_ctr", "tracking=none", "attack=[]", "evaluation=[]", "data.words=[400,600]"]
TRACKING = {"_target_": "veilbench.bench.tracking.NoTracking"}
CONFIG = {"seed": 0, "model": {"net": {"code": 4}, "parts": [1, 2]}, "attack": {}, "tracking": TRACKING, "digests": {}}


def started(folder: Path, *words: str, forks: dict[str, str] | None = None) -> subprocess.Popen[str]:
    paths = {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "CI": "true"}
    kept = {name: value for name, value in os.environ.items() if name != "VEILBENCH_TRACEBACK"}
    command = [sys.executable, str(ROOT / "pipelines" / "sweep.py"), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=kept | paths | (forks or {}), stdout=pipe, stderr=pipe, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return the exit status and the text on stderr."""
    said = process.communicate()[1]
    return process.returncode, said


def content(folder: Path) -> dict[str, bytes | None]:
    """Return the content of a folder; None as the content of a subfolder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def fill(folder: Path) -> None:
    """A checkout with uncommitted files."""
    for name in (".git/HEAD", "prepared/text/words.txt", "notes.md", "multirun.yaml", ".hydra/config.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "empty").mkdir()


@pytest.mark.parametrize(
    "words",
    [
        ["hydra.run.dir=."],
        ["-m", "hydra.sweep.dir=.", "hydra.sweep.subdir=empty"],
        ["-m", "hydra.sweep.dir=new/er"],
        [],
    ],
    ids=" ".join,
)
def test_a_refused_call_changes_nothing(tmp_path: Path, words: list[str], forks: dict[str, str]) -> None:
    fill(tmp_path)
    before = content(tmp_path)
    status, said = ended(started(tmp_path, *words, *QUICK, "seed=-1", forks=forks))
    assert (status, said.splitlines()[-1][:27]) == (2, "error: seed=-1 is not allow")
    assert content(tmp_path) == before


@pytest.mark.parametrize("words", [["hydra.run.dir=."], ["hydra.run.dir=new/er"]], ids=" ".join)
def test_a_call_that_is_refused_while_it_prepares_changes_nothing(
    tmp_path: Path, words: list[str], forks: dict[str, str]
) -> None:
    """The folder holds other data, or there is no file of data."""
    fill(tmp_path)
    lacking = ["experiment=pca", "data=npz", "data.source.path=no.npz", "evaluation=[]", "attack=[]", "tracking=none"]
    more = QUICK if words == ["hydra.run.dir=."] else lacking
    before = content(tmp_path)
    status, said = ended(started(tmp_path, *words, *more, forks=forks))
    assert (status, len(said.splitlines())) == (2, 1)
    assert content(tmp_path) == before


@pytest.mark.slow
def test_jobs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    processes = [started(tmp_path, *QUICK, f"seed={seed}") for seed in range(4)]
    assert [ended(process)[0] for process in processes] == [0, 0, 0, 0]
    records = sorted(tmp_path.glob("outputs/*/*/experiment.yaml"))
    assert sorted(yaml.safe_load(path.read_text())["seed"] for path in records) == [0, 1, 2, 3]
    for path in records:
        overrides = yaml.safe_load((path.parent / ".hydra" / "overrides.yaml").read_text())
        assert f"seed={yaml.safe_load(path.read_text())['seed']}" in overrides


@pytest.mark.slow
def test_a_sweep_leaves_the_records_of_another_one_as_they_are(tmp_path: Path, forks: dict[str, str]) -> None:
    words = ["-m", *QUICK, "hydra.sweep.dir=mix"]
    assert ended(started(tmp_path, *words, "seed=0", forks=forks))[0] == 0
    (tmp_path / "mix" / "notes.md").write_text("mine")
    (before,) = tmp_path.glob("mix/*/experiment.yaml")
    record = content(before.parent)
    assert ended(started(tmp_path, *words, "seed=1", "evaluation=[fidelity]", forks=forks))[0] == 0
    assert content(before.parent) == record
    assert (tmp_path / "mix" / "notes.md").read_text() == "mine"
    seeds = sorted(yaml.safe_load(path.read_text())["seed"] for path in tmp_path.glob("mix/*/experiment.yaml"))
    assert seeds == [0, 1]


def work(config: dict[str, Any], folder: Path, failure: Exception | None = None) -> None:
    with record_job(config, folder) as begun:
        if isinstance(failure, UserError):
            raise failure
        begun()
        assert not (folder / RECORD).exists()
        if failure:
            raise failure


def test_a_folder_is_a_record_once_its_job_is_done(tmp_path: Path) -> None:
    work(CONFIG, tmp_path)
    with pytest.raises(UserError):
        work(CONFIG, tmp_path, UserError("refused before anything changed"))
    assert yaml.safe_load((tmp_path / RECORD).read_text()) == CONFIG
    with pytest.raises(RuntimeError):
        work(CONFIG, tmp_path, RuntimeError())
    assert not (tmp_path / RECORD).exists(), "half of it is of the job that failed"
    work(CONFIG | {"seed": 1}, tmp_path)  # files that are not a record do not block a job
    assert yaml.safe_load((tmp_path / RECORD).read_text())["seed"] == 1


@pytest.mark.parametrize("change", [{"digests": {"train": "1"}}, {"objective": "x"}, {"tracking": {**TRACKING}}])
def test_other_code_and_another_store_make_the_same_job(tmp_path: Path, change: dict[str, Any]) -> None:
    work(CONFIG, tmp_path)
    work(CONFIG | change, tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 7}, r"seed=7 \(there: 0\)"),
        ({"model": {"net": {"code": 8}, "parts": [1, 2]}}, r"model.net.code=8 \(there: 4\)"),
        ({"model": {"net": {"code": 4}, "parts": [2]}}, r"model.parts=\[2\] \(there: \[1, 2\]\)"),
        ({"attack": {"a": {"b": 1}}}, r"settings: attack.a.b=1 \(there: None\);"),
        ({"x": dict.fromkeys("abcd", 1)}, r"x.c=1 \(there: None\) and 1 more; name another folder"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    work(CONFIG, tmp_path)
    before = content(tmp_path)
    with pytest.raises(UserError, match=said):
        work(CONFIG | change, tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize("text", ["", "]", "- 1\n", "\0"])
def test_a_damaged_record_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(UserError, match=r"experiment.yaml is damaged.*name another folder"):
        work(CONFIG, tmp_path)
    assert (tmp_path / RECORD).read_text() == text


def test_two_jobs_never_share_a_folder(tmp_path: Path) -> None:
    with record_job(CONFIG, tmp_path), pytest.raises(UserError, match="is being changed by another process"):
        work(CONFIG, tmp_path)
    assert (tmp_path / RECORD).is_file()


def test_settings_are_compared_by_their_dotted_names() -> None:
    assert flat(CONFIG) == {"seed": 0, "model.net.code": 4, "model.parts": [1, 2]}


def test_only_folders_that_were_not_there_are_removed(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    single = Before()
    single.on_run_start(OmegaConf.create({"hydra": {"run": {"dir": str(tmp_path / "a" / "b")}}}))
    (tmp_path / "a" / "b").mkdir(parents=True)
    single.withdraw(tmp_path / "a" / "b")
    single.withdraw(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"sweep"}


@pytest.fixture
def nothing_noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Before, "current", None)
    return


@pytest.mark.usefixtures("nothing_noted")
def test_without_a_note_nothing_is_removed(tmp_path: Path) -> None:
    hydra_folders.withdraw(tmp_path)
    assert tmp_path.is_dir()
