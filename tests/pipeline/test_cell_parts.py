"""The parts of a sweep, without processes of their own: identity, store, claims, list, limits, estimates, status."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.sources import PACKAGE
from veilbench.workflow import arguments, plan, status, sweep
from veilbench.workflow.cells import asked, launch, work
from veilbench.workflow.cells.asked import compose_sweep, list_cells, name_sweep
from veilbench.workflow.cells.cell import Cell, Computed, Failure
from veilbench.workflow.cells.claim import FRESH, Claims
from veilbench.workflow.cells.costs import describe_time, estimate_cells, format_seconds
from veilbench.workflow.cells.engine import Refused
from veilbench.workflow.cells.launch import count_jobs, note_few_devices
from veilbench.workflow.cells.options import take_limits
from veilbench.workflow.cells.seeds import group_by_setting, write_spreads
from veilbench.workflow.cells.stage_store import StageStore, link_folder, stage_key
from veilbench.workflow.cells.sweep_folder import SweepFolder
from veilbench.workflow.timing import Timing

from .conftest import ROOT

IDENTITY = """
from veilbench.workflow.forking import forward
forward()
from pathlib import Path
from veilbench.workflow.cells.cell import make_cell
from veilbench.workflow.compose import composed, plain
for words in (["experiment=hashmap"], ["experiment=cipher_small", "seed=3"]):
    print(make_cell(Path("x"), plain(composed(words), overrides=words), words).name)
"""


def config(**digests: str) -> dict[str, Any]:
    names = {"experiment": "e", "model": "m", "data": "d"}
    stages = {"prepare": "p", "train": "t", "evaluate": "e", "attack": "a"}
    return {"names": names, "digests": stages | digests, "evaluation": {"v": {}}, "attack": {"w": {}}}


def cell(sweep: Path, name: str, *overrides: str, seconds: float | None = None) -> Cell:
    return Cell(sweep, name, overrides, " ".join(overrides), seconds)


def complete(one: Cell, seconds: float = 4.0) -> None:
    one.folder.mkdir(parents=True)
    (one.folder / "experiment.yaml").touch()
    Computed("here", 0.0, seconds).write(one.folder)


def print_names(place: Path, folder: Path, forks: dict[str, str]) -> str:
    """Return the names of two cells, as the package in `place` gives them."""
    script = folder / "identity.py"
    script.write_text(IDENTITY)
    environment = os.environ | {"PYTHONPATH": str(place)} | forks
    command = [sys.executable, "-P", str(script)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, forks: dict[str, str]) -> str:
    return print_names(ROOT / "src", tmp_path_factory.mktemp("here"), forks)


@pytest.mark.parametrize("layout", ["zz/src", "a/site-packages"])
def test_a_cell_is_the_same_in_a_checkout_and_in_an_installed_package(
    tmp_path: Path, forks: dict[str, str], here: str, layout: str
) -> None:
    """Its name holds the digest of settings and code: neither the path nor the order of paths may matter."""
    source = tmp_path / layout
    shutil.copytree(PACKAGE, source / "veilbench", ignore=shutil.ignore_patterns("__pycache__"))
    packed = source / "veilbench" / "conf" if "site" in layout else source.parent / "conf"
    shutil.copytree(ROOT / "conf", packed)
    assert print_names(source, tmp_path, forks) == here


def test_a_stage_is_run_once_and_again_if_it_is_too_old(tmp_path: Path) -> None:
    runs: list[Path] = []

    def run(place: Path) -> None:
        runs.append(place)
        place.mkdir(exist_ok=True)
        (place / "made_by.json").write_text(f"{len(runs)}")

    store = StageStore(tmp_path)
    first = store.provide(config(), "train", run)
    assert store.has(config(attack="other"), "train")
    assert store.provide(config(attack="other"), "train", run) == first, "an attack is no part of a training"
    assert store.provide(config(prepare="other"), "train", run) != first, "the data before it is"
    assert len(runs) == 2
    link_folder(first, tmp_path / "cell")
    later = StageStore(tmp_path, time.time() + 1)
    later.provide(config(), "train", run)
    assert len(runs) == 3


def test_keys_of_stages_differ() -> None:
    keys = {stage_key(config(), stage) for stage in ("prepare", "train", "evaluate", "attack")}
    assert len(keys) == 4


def test_a_failed_stage_leaves_nothing_in_the_store(tmp_path: Path) -> None:
    def fail(place: Path) -> None:
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        StageStore(tmp_path).provide(config(), "train", fail)
    assert list((tmp_path / ".stages").iterdir()) == []


def test_only_one_process_holds_a_claim(tmp_path: Path) -> None:
    claims, others = Claims(tmp_path), Claims(tmp_path)
    with claims.hold("x") as mine, others.hold("x") as theirs, others.hold("y") as another:
        assert (mine, theirs, another) == (True, False, True)
        found = others.find("x")
        assert found is not None
        assert (found.host, found.process) == (socket.gethostname(), os.getpid())
    assert others.find("x") is None
    with others.hold("x") as theirs:
        assert theirs
    assert list((tmp_path / ".claims").iterdir()) == []


def test_a_claim_of_another_machine_counts_while_it_is_renewed(tmp_path: Path) -> None:
    """Locks of some network file systems do not reach other machines."""
    claims = Claims(tmp_path)
    path = tmp_path / ".claims" / "x.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"host": "elsewhere", "process": 1, "began": 0.0}))
    with claims.hold("x") as mine:
        assert not mine
    assert claims.find("x") is not None
    os.utime(path, (0, time.time() - FRESH - 1))
    assert claims.find("x") is None
    claims.renew("x")
    assert claims.find("x") is not None
    os.utime(path, (0, time.time() - FRESH - 1))
    with claims.hold("x") as mine:
        assert mine


def test_a_claim_of_a_killed_process_of_this_machine_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / ".claims" / "x.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"host": socket.gethostname(), "process": 1, "began": 0.0}))
    assert Claims(tmp_path).find("x") is None
    with Claims(tmp_path).hold("x") as mine:
        assert mine


def test_an_error_within_a_claim_passes_through_and_frees_it(tmp_path: Path) -> None:
    def fail() -> None:
        with Claims(tmp_path).hold("x"):
            raise UserError("mine")

    with pytest.raises(UserError, match="mine"):
        fail()
    with Claims(tmp_path).hold("x") as mine:
        assert mine


def test_the_list_holds_each_cell_once_and_the_newest_of_equal_overrides(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path)
    folder.add([cell(tmp_path, "a", "seed=0", seconds=3.0), cell(tmp_path, "b", "seed=1")])
    folder.add([cell(tmp_path, "a", "seed=0"), cell(tmp_path, "c", "seed=2")])
    assert [(one.name, one.seconds) for one in folder.cells()] == [("a", 3.0), ("b", None), ("c", None)]
    folder.add([cell(tmp_path, "d", "seed=1")])  # the code has changed
    assert [one.name for one in folder.cells()] == ["a", "c", "d"]
    assert folder.find(["seed=2"])[0] == 1
    with pytest.raises(LookupError, match="seed=9"):
        folder.find(["seed=9"])


def test_what_refuses_all_cells_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "multirun" / "plain")

    def refuse() -> None:
        raise Refused("no room")

    with pytest.raises(Refused), folder.listing([cell(tmp_path, "a", "seed=0")]):
        refuse()
    assert list(tmp_path.iterdir()) == []
    folder.add([cell(tmp_path, "a", "seed=0")])
    with pytest.raises(Refused), folder.listing([cell(tmp_path, "b", "seed=1")]):
        raise Refused("no room")
    assert [one.name for one in folder.cells()] == ["a"]

    def add_and_refuse() -> None:
        SweepFolder(folder.path).add([cell(tmp_path, "c", "seed=2")])
        refuse()

    with pytest.raises(Refused), folder.listing([cell(tmp_path, "b", "seed=1")]):
        add_and_refuse()
    assert [one.name for one in folder.cells()] == ["a", "b", "c"], "another process needs the list"
    with pytest.raises(UserError), folder.listing([cell(tmp_path, "d", "seed=3")]):
        raise UserError("after some cells")
    assert [one.name for one in folder.cells()] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": "../x", "overrides": [], "label": "", "seconds": null}]'])
def test_a_damaged_list_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "cells.json").write_text(text)
    with pytest.raises(UserError, match=r"cells\.json is damaged"):
        SweepFolder(tmp_path).cells()


def test_a_folder_without_a_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder of a sweep"):
        status.main([str(tmp_path)])


@pytest.mark.parametrize(
    ("words", "rest", "limits"),
    [
        (["a=1"], ["a=1"], (None, 0)),
        (["--timeout", "2.5", "a=1", "--retries=3"], ["a=1"], (2.5, 3)),
        (["a=1", "--timeout=60"], ["a=1"], (60.0, 0)),
        (["--timeout", "inf"], [], (None, 0)),
    ],
)
def test_options_are_taken_out(words: list[str], rest: list[str], limits: tuple[float | None, int]) -> None:
    left, found = take_limits(words)
    assert (left, (found.timeout, found.retries), found.since) == (rest, limits, 0.0)


def test_force_makes_everything_older_than_now_count_as_missing() -> None:
    before = time.time()
    rest, limits = take_limits(["a=1", "force=true"])
    assert rest == ["a=1"]
    assert before <= limits.since <= time.time()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--timeout", "0"], "--timeout 0 is not allowed: input should be a number of seconds above 0"),
        (["--timeout", "nan"], "--timeout nan is not allowed"),
        (["--timeout"], "--timeout  is not allowed"),
        (["--retries", "-1"], "--retries -1 is not allowed: input should be a whole number, 0 or more"),
        (["--retries=1.5"], "--retries 1.5 is not allowed"),
    ],
)
def test_wrong_options_are_one_line(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        take_limits(words)
    assert said in str(refused.value)


def test_a_shared_stage_is_counted_once_and_one_that_is_there_not_at_all(tmp_path: Path) -> None:
    parts = {("train", "training"): 10.0, ("evaluate", "v"): 2.0, ("attack", "w"): 1.0}
    timings = [Timing((*key, "m", "d"), seconds, 0.0) for key, seconds in parts.items()]
    store = StageStore(tmp_path)
    three = [config(attack=attack) for attack in ("a", "b", "c")]
    assert estimate_cells(three, store, timings) == [13.0, 1.0, 1.0]
    place = tmp_path / ".stages" / f"train-{stage_key(three[0], 'train')}"
    place.mkdir(parents=True)
    (place / "made_by.json").touch()
    assert estimate_cells(three, store, timings) == [3.0, 1.0, 1.0]
    assert estimate_cells([config(train="new")], store, timings[1:]) == [None]


@pytest.mark.parametrize(
    ("seconds", "jobs", "said"),
    [
        ([None, None], 1, "time unknown"),
        ([60.0, None], 1, "at least 60 s"),
        ([600.0, 600.0], 1, "about 20 minutes"),
        ([600.0, 600.0], 2, "about 10 minutes"),
        ([7200.0], 8, "about 2.0 hours"),
    ],
)
def test_times_are_told(seconds: list[float | None], jobs: int, said: str) -> None:
    assert describe_time(seconds, jobs) == said
    assert format_seconds(0.4) == "0 s"


def test_jobs_at_a_time_are_those_of_joblib() -> None:
    cores = os.cpu_count() or 1
    found = [count_jobs(launcher, 100) for launcher in ({}, {"n_jobs": 3}, {"n_jobs": -1}, {"n_jobs": None})]
    assert found == [1, 3, cores, 1]
    assert count_jobs({"n_jobs": 8}, 2) == 2


@pytest.mark.parametrize(
    ("launcher", "trainer", "said"),
    [
        ("ray", {"devices": 2}, "which gets 1 of the cpus: set hydra.launcher.cpus=2"),
        ("slurm", {"devices": 2, "accelerator": "cpu"}, "which gets 1 of the cpus: set hydra.launcher.cpus=2"),
        ("ray", {"devices": 2, "accelerator": "gpu"}, "which gets 0 of the gpus: set hydra.launcher.gpus=2"),
        ("ray", {"devices": 1}, ""),
        ("ray", {}, ""),
        ("ray", {"devices": "auto"}, ""),
        ("joblib", {"devices": 2}, ""),
    ],
)
def test_a_cell_with_more_devices_than_it_gets_is_noted(launcher: str, trainer: dict[str, Any], said: str) -> None:
    words = ["experiment=undercomplete", f"sweep={launcher}", "seed=0,1"]
    settings = compose_sweep(words)[1].hydra.launcher
    note = note_few_devices(settings, [{"trainer": {}}, {"trainer": trainer}])
    assert said in note
    assert bool(note) == bool(said)
    assert "\n" not in note


@pytest.mark.parametrize(
    ("target", "strategies", "served"),
    [
        ("hydra._internal.core_plugins.basic_launcher.BasicLauncher", ["auto", "auto"], True),
        ("hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher", ["auto", "auto"], True),
        ("hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher", ["auto", "auto"], False),
        ("hydra._internal.core_plugins.basic_launcher.BasicLauncher", ["auto", "ddp"], False),
        ("hydra._internal.core_plugins.basic_launcher.BasicLauncher", ["auto"], False),
    ],
)
def test_cells_on_this_machine_are_forks_unless_they_start_processes(
    target: str, strategies: list[str], served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "start_server", lambda: "served")
    configs = [{"trainer": {"strategy": strategy}} for strategy in strategies]
    assert (launch._serve({"_target_": target}, configs) == "served") == served


def test_status_counts_each_cell_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [cell(tmp_path, name, f"seed={name}") for name in ("done", "running", "failed", "missing", "redone")]
    SweepFolder(tmp_path).add(cells)
    for one in (cells[0], cells[4]):
        complete(one)
    cells[2].folder.mkdir()
    (cells[2].folder / "log.txt").write_text("said")
    for one in (cells[2], cells[4]):
        Failure("no memory", time.time(), "here", 3).write(one.folder)
    (tmp_path / "multirun.yaml").write_text("{}")
    with Claims(tmp_path).hold("running"):
        status.main([str(tmp_path)])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "done 2, running 1, failed 1, missing 1; about 8 s left"
    assert rest == [
        f"running: seed=running; on {socket.gethostname()} for 0 s",
        f"failed: seed=failed: no memory (3 attempts); log: {tmp_path / 'failed' / 'log.txt'}",
    ]


@pytest.mark.parametrize(
    ("published", "stays"), [("run 1", False), (None, True), (UserError("the store is broken"), True)]
)
def test_a_record_is_published_until_it_is_in_its_store(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    published: str | UserError | None,
    stays: bool,
) -> None:
    """A process may be killed after the record is complete; then the next call publishes it."""

    class Store:
        def publish(self, config: dict[str, Any], records: Path) -> str | None:
            if isinstance(published, UserError):
                raise published
            return published

    monkeypatch.setattr(work, "build", lambda node: Store())
    one = cell(tmp_path, "x", "seed=0")
    one.folder.mkdir()
    (one.folder / "unpublished").touch()
    work.publish(one, {"tracking": {}})
    assert (one.folder / "unpublished").exists() == stays
    assert ("tracking: the store is broken" in capsys.readouterr().err) == isinstance(published, UserError)
    monkeypatch.setattr(work, "build", lambda node: pytest.fail("it is in its store"))
    (one.folder / "unpublished").unlink(missing_ok=True)
    work.publish(one, {"tracking": {}})


def test_a_failure_is_that_of_this_sweep_only_if_it_is_newer(tmp_path: Path) -> None:
    one = cell(tmp_path, "x", "seed=0")
    one.folder.mkdir()
    Failure("no", time.time(), "here").write(one.folder)
    assert one.failure() is not None
    assert one.failure(time.time() + 1) is None
    (one.folder / "failure.json").write_text("{")
    damaged = one.failure()
    assert damaged is not None
    assert "damaged" in damaged.reason


def test_rows_of_one_setting_are_summarised_over_seeds(tmp_path: Path) -> None:
    def row(name: str, value: float, verdict: str | None) -> dict[str, Any]:
        gain = {"title": "", "verdict": verdict, "gain": {"value": value / 2} if verdict else None}
        return {"name": name, "metrics": {"m": {"value": value}}, "attacks": {"w": gain}, "verdict": verdict}

    rows = [row("e seed=0", 1.0, "broken"), row("e x=1 seed=0", 5.0, None), row("e seed=1", 3.0, "leaks")]
    settings = group_by_setting(rows)
    assert [setting.name for setting in settings] == ["e", "e x=1"]
    spread = settings[0].spreads()["m"]
    assert (spread.mean, spread.values, str(spread)) == (2.0, (1.0, 3.0), "2 [1, 3]")
    assert settings[0].verdicts() == "1 broken, 1 leaks"
    assert str(settings[0].strongest_gain()) == "1 [0.5, 1.5]"
    assert (settings[1].verdicts(), settings[1].strongest_gain()) == ("1 not attacked", None)
    write_spreads(settings, tmp_path)
    assert (tmp_path / "seeds.csv").read_text().splitlines() == [
        "setting,metric,mean,lowest,highest,seeds", "e,m,2.0,1.0,3.0,2", "e,w: gain of the verdict,1.0,0.5,1.5,2",
        "e x=1,m,5.0,5.0,5.0,1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["-m", "hydra.sweep.subdir=x"],
            "hydra.sweep.subdir=x is not allowed: cells are named by",
        ),
        (["-m", "hydra.sweep.dir=/proc/veilbench"], "cannot use /proc/veilbench"),
        (["-m", "--retries", "few"], "--retries few is not allowed"),
        (["-m", "sweep=ray", "hydra.launcher.address=127.0.0.1:9"], "Ray"),
        (["-m", "sweep=slurm", "hydra.launcher.partition=none"], "lurm"),
        (["hydra.mode=MULTIRUN"], "hydra.mode=MULTIRUN is not allowed"),
        (["--timeout=5"], "are for sweeps"),
    ],
)
def test_a_refused_sweep_writes_nothing(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        sweep.main([*words, "experiment=plaintext", "attack=[]", "evaluation=[]", "tracking=none"])
    assert said in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_composes_each_cell_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    composed = list[list[str]]()
    resolve = arguments.resolve_job
    for module in (arguments, asked):
        monkeypatch.setattr(module, "resolve_job", lambda job: composed.append(job) or resolve(job))
    plan.main(["experiment=plaintext", "data.seed=0", "data.longest_word=5,6", "attack=[]", "seed=range(2)"])
    assert len(composed) == 4
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_a_plan_of_a_sweep_lists_its_cells_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["experiment=plaintext", "attack=[]", "evaluation=[]", "tracking=none", "seed=0,1"]
    plan.main(words)
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.endswith("  runs  plaintext attack=[] evaluation=[] seed=0")
    assert last == "2 cells in multirun/plaintext: 0 there already, 2 to compute; time unknown"
    assert list(tmp_path.iterdir()) == []
    name = second.split()[0]
    (tmp_path / "multirun" / "plaintext" / name).mkdir(parents=True)
    (tmp_path / "multirun" / "plaintext" / name / "experiment.yaml").touch()
    plan.main(words)
    assert capsys.readouterr().out.splitlines()[1] == f"{name}  is there  plaintext attack=[] evaluation=[] seed=1"
    plan.main([*words, "force=true"])
    assert "0 there already, 2 to compute" in capsys.readouterr().out


def test_equal_settings_are_one_cell_and_stores_and_folders_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["experiment=plaintext", "attack=[]", "evaluation=[]"]
    asked = list_cells([*words, "seed=0,0,1", "tracking=none"], {})
    assert len(asked.cells) == 2
    other = list_cells([*words, "seed=0", "data=text", "objective=x", "hydra.sweep.dir=elsewhere"], {})
    assert other.cells[0].name == asked.cells[0].name
    assert other.folder == tmp_path / "elsewhere"
    assert other.cells[0].overrides == (*words, "seed=0", "data=text", "objective=x")


def test_a_sweep_over_experiments_is_named_by_them() -> None:
    names = [{"names": {"experiment": name, "model": "m"}} for name in ("b", "a", "b")]
    assert name_sweep(names) == "b-a"
    assert name_sweep([{"names": {"experiment": None, "model": "m"}}]) == "m"
    many = [{"names": {"experiment": f"experiment_{number}"}} for number in range(20)]
    assert len(name_sweep(many)) < 80
    assert name_sweep(many) != name_sweep(many[:-1])
