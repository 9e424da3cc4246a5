"""A complete run is recognised by its files: one that changes, goes or comes is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from veilbench.bench.homes import forget_homes
from veilbench.workflow.unchanged import CompleteRun

FILES = (
    "dvc.yaml", "dvc.lock", "conf/model/mine.yaml", "mine.py", "params/pca.yaml", "metrics_and_plots/dvc.yaml",
    "prepared/text/a.npz", "results/pca/train/model.json", "report/index.html", "faces/ann/1.png",
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CompleteRun:
    """A complete run in a bench whose configuration names a folder of images."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    settings = {"data": {"_target_": "a.B", "folder": "faces"}}
    Path("params/pca.yaml").write_text(yaml.safe_dump(settings))
    forget_homes()
    complete = CompleteRun("all")
    assert not complete.is_current()
    complete.write()
    assert complete.is_current()
    return complete


def rewrite(path: Path) -> None:
    path.write_text("y" * path.stat().st_size)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


@pytest.mark.parametrize("change", [rewrite, Path.unlink], ids=["rewritten", "removed"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_changes_or_goes_is_noticed(run: CompleteRun, name: str, change: Callable[[Path], None]) -> None:
    change(Path(name))
    assert not run.is_current()


def test_a_file_that_comes_is_noticed_and_caches_are_not(run: CompleteRun) -> None:
    for folder in ("__pycache__", "results/.controls"):
        Path(folder).mkdir(parents=True)
        Path(folder, "a").write_text("x")
    assert run.is_current()
    Path("faces/ann/2.png").write_text("x")
    assert not run.is_current()


def test_targets_are_apart_and_a_damaged_note_is_none(run: CompleteRun) -> None:
    assert not CompleteRun("tour").is_current()
    run.note.write_text("{")
    assert not run.is_current()
    run.write()
    run.forget()
    assert not run.is_current()
