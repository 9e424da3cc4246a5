"""Sweeps as their user runs them: what is computed, skipped, shared, failed, killed and collected."""

from __future__ import annotations

import json
import signal
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from veilbench.bench.report.records import CELL

from .cell_bench import SETTINGS, CellBench

pytestmark = pytest.mark.slow
LAUNCHERS = [
    pytest.param([], id="serial"),
    pytest.param(["sweep=joblib", "hydra.launcher.n_jobs=2"], id="joblib"),
    pytest.param(
        ["sweep=ray"],
        id="ray",
        marks=pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
    ),
]


def by_kind(bench: CellBench) -> dict[str, Path]:
    """Return the folder of each cell by its overrides of the evaluation and the seed."""
    listed = json.loads((bench.cells / "cells.json").read_text())
    return {
        " ".join(word.rpartition(".")[2] for word in cell["overrides"] if "trouble" in word or "seed" in word): (
            bench.cells / cell["name"]
        )
        for cell in listed
    }


def content(folder: Path) -> dict[str, Any]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def metrics(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.rglob("metrics.json"))]


def wait_for(path: Path) -> None:
    for _ in range(1800):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not appear within three minutes")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_failed_cell_stops_no_other_and_alone_is_computed_again(bench: CellBench, launcher: list[str]) -> None:
    slow = [] if launcher else ["slow"]  # a timeout is the cell's own, whatever started it: waiting once is enough
    kinds = ["raise", "killed", "fine", *slow]
    swept = f"evaluation.trouble.kind={','.join(kinds)}"
    status, out, err = bench.sweep(swept, "--timeout", "30", "--retries=1", *launcher)
    assert status == 2
    assert f"{len(kinds)} cells in multirun/plain: 0 there already, {len(kinds)} to compute" in err
    said = err[err.index(f"{len(kinds) - 1} of {len(kinds)} cells failed:") :].splitlines()[1:]
    cells = by_kind(bench)
    name = "plain data.words=[400,600] evaluation.trouble.kind"
    logs = {kind: (cells[f"kind={kind}"] / "log.txt").relative_to(bench.folder) for kind in kinds}
    assert said[0] == f"{name}=raise: evaluation.trouble failed in stages.examine: no such thing; log: {logs['raise']}"
    assert said[1].startswith(f"{name}=killed: ")
    assert "killed" in said[1].removeprefix(f"{name}=killed: ")
    assert said[1].endswith(f" (2 attempts); log: {logs['killed']}")
    assert said[2 : 2 + len(slow)] == [
        f"{name}={kind}: took longer than 30 s (2 attempts); log: {logs[kind]}" for kind in slow
    ]
    ran = ["raise0", "killed0", "killed0", "fine0", *(f"{kind}0" for kind in 2 * slow)]
    assert bench.ran() == sorted(ran), "bad input is tried once"
    assert "plain" in out
    fine = content(cells["kind=fine"])
    assert CELL in fine
    assert [name for name, cell in cells.items() if (cell / CELL).exists()] == ["kind=fine"]
    assert f"done 1, running 0, failed {len(kinds) - 1}, missing 0" in bench.run("status", "multirun/plain")[1]

    trouble = bench.folder / "trouble.py"
    trouble.write_text("# a comment changes no digest\n" + trouble.read_text())
    status, _, err = bench.sweep("evaluation.trouble.kind=fine,raise", *launcher)
    assert (status, "2 cells in multirun/plain: 1 there already, 1 to compute" in err) == (2, True)
    assert content(cells["kind=fine"]) == fine
    assert bench.ran().count("fine0") == 1
    assert bench.ran().count("raise0") == 2


def test_an_override_may_follow_another_one(bench: CellBench) -> None:
    words = ["seed=1,2", "data.seed=${seed}"]
    assert bench.sweep(*words)[0] == 0
    cells = [yaml.safe_load((cell / "experiment.yaml").read_text()) for cell in by_kind(bench).values()]
    assert sorted((cell["seed"], cell["data"]["seed"]) for cell in cells) == [(1, 1), (2, 2)]
    assert "2 there already" in bench.sweep(*words)[2]
    assert bench.run("sweep", *SETTINGS, "seed=3", "data.seed=${seed}")[0] == 0


def test_stages_are_shared_and_force_computes_again(bench: CellBench) -> None:
    words = ["evaluation.trouble.number=1,2", "seed=0,1"]
    status, out, err = bench.sweep(*words)
    assert (status, err.count("job ")) == (0, 4)
    assert out.endswith("the page: veilbench report multirun/plain\n")
    assert len(list(bench.cells.glob(".stages/train-*"))) == 2
    cells = by_kind(bench)
    same = [cells[f"number={number} seed=0"] / "train" / "model.json" for number in (1, 2)]
    assert same[0].stat().st_ino == same[1].stat().st_ino
    before = {name: metrics(cell) for name, cell in cells.items()}
    (bench.cells / "multirun.yaml").write_text("{}\n")

    status, out, err = bench.sweep(*words)
    assert (status, len(bench.ran())) == (0, 4)
    assert "4 cells in multirun/plain: 4 there already\n" in err
    status, out, err = bench.sweep(*words, "force=true")
    assert (status, len(bench.ran())) == (0, 8)
    assert {name: metrics(cell) for name, cell in by_kind(bench).items()} == before
    assert same[0].stat().st_ino == same[1].stat().st_ino
    assert before["number=1 seed=0"] == before["number=2 seed=0"] != before["number=1 seed=1"]

    assert bench.run("run", *SETTINGS, "evaluation.trouble.number=1", "seed=1")[0] == 0
    (alone,) = (bench.folder / "outputs").iterdir()
    assert metrics(alone) == before["number=1 seed=1"], "a cell has the numbers of a run by itself"

    status, out, err = bench.run("collect", "multirun/plain")
    assert status == 0, err
    assert "2 seeds: 2 not attacked" in out
    rows = json.loads((bench.cells / "report" / "leaderboard.json").read_text())
    values = [row["metrics"]["trouble.drawn"]["value"] for row in rows if "number=1" in row["name"]]
    lines = (bench.cells / "report" / "seeds.csv").read_text().splitlines()
    (line,) = [line for line in lines if "number=1" in line and ",trouble.drawn," in line]
    told = [float(word) for word in line.split(",")[-4:]]
    assert told == pytest.approx([sum(values) / 2, min(values), max(values), 2])

    records = {
        name: {path: one for path, one in content(cell).items() if path != "log.txt"} for name, cell in cells.items()
    }
    (bench.folder / "stop").touch()
    status, _, err = bench.sweep(*words, "force=true")
    assert (status, "4 of 4 cells failed:" in err) == (2, True)
    assert all(records[name].items() <= content(cell).items() for name, cell in cells.items()), "records stay"
    assert bench.run("status", "multirun/plain")[1] == "done 4, running 0, failed 0, missing 0\n"


def test_after_a_kill_the_same_command_completes_the_sweep(bench: CellBench) -> None:
    words = ["evaluation.trouble.kind=fine,wait", "seed=0,1"]
    process = bench.start("sweep", *SETTINGS, *words)
    for _ in range(1800):
        if "wait0" in bench.ran():
            break
        time.sleep(0.1)
    shown = bench.run("status", "multirun/plain")[1].splitlines()
    assert shown[0].startswith("done 2, running 1, failed 0, missing 1")
    assert shown[1].startswith("running: plain data.words=[400,600] evaluation.trouble.kind=wait seed=0; on ")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    lines = (bench.folder / "runs.txt").read_text().splitlines()
    worker = next(int(line.split()[1]) for line in lines if line.startswith("wait"))
    for _ in range(100):
        if not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the cell's process has outlived the sweep")
    assert bench.run("status", "multirun/plain")[1].startswith("done 2, running 0, failed 0, missing 2")
    done = {name: content(cell) for name, cell in by_kind(bench).items() if (cell / CELL).exists()}
    (bench.folder / "go").touch()

    status, _, err = bench.sweep(*words)
    assert status == 0, err
    cells = by_kind(bench)
    assert {name: content(cells[name]) for name in done} == done
    assert all((cell / CELL).exists() for cell in cells.values())
    assert bench.ran() == ["fine0", "fine0", "wait0", "wait0", "wait0"], "only the killed cell ran twice"
    assert not [path for kind in ("partial", "earlier", "part") for path in bench.cells.rglob(f".*.{kind}-*")]
    assert metrics(cells["kind=wait seed=0"]) == metrics(cells["kind=fine seed=0"])


def test_two_processes_share_the_cells_of_one_sweep(bench: CellBench) -> None:
    words = ["evaluation.trouble.number=1,2", "seed=0,1"]
    both = [bench.start("sweep", *SETTINGS, *words) for _ in range(2)]
    said = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert bench.ran() == ["fine1", "fine1", "fine2", "fine2"]
    assert sum(err.count("job ") for _, err in said) == 4
    for out, _ in said:
        assert out.count("not attacked") == 4, "each prints the whole table"
    seeds = sorted(yaml.safe_load(path.read_text())["seed"] for path in bench.cells.glob("*/experiment.yaml"))
    assert seeds == [0, 0, 1, 1]
