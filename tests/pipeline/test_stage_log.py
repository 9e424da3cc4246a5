"""What is shown of several `dvc repro`: a line for each stage that ran, and nothing about DVC's own files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from veilbench.workflow.stage_log import DvcOutput, StageLog, pass_errors_on

OUTPUT = """\
Stage 'resolve' didn't change, skipping
Running stage 'train@pca':
> exec python pipelines/train.py pca
a line of the stage
Updating lock file 'dvc.lock'

Stage 'evaluate@pca' is cached - skipping run, checking out outputs
Running stage 'attack@pca':
> exec python pipelines/attack.py pca
Updating lock file 'dvc.lock'

To track the changes with git, run:

\tgit add dvc.lock

To enable auto staging, run:

\tdvc config core.autostage true
Use `dvc push` to send your updates to remote storage.
"""


def show(output: str, failed: bool, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], StageLog]:
    with StageLog() as log:
        log.expect(4)
        reader = DvcOutput(log)
        for line in output.splitlines(keepends=True):
            reader.read(line)
        reader.end(failed)
    return capsys.readouterr().out.splitlines(), log


def test_a_line_for_each_stage_that_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = Path("results/pca/attack/findings.json")
    found.parent.mkdir(parents=True)
    found.write_text(json.dumps({"a": {"verdict": "broken"}, "b": {"verdict": None}, "c": {"verdict": "broken"}}))
    lines, log = show(OUTPUT, False, capsys)
    assert lines[0] == "a line of the stage"
    assert re.fullmatch(r"train@pca +0 s", lines[1])
    assert re.fullmatch(r"attack@pca +0 s  2 broken", lines[2])
    assert len(lines) == 3
    assert log.done == {"resolve", "train@pca", "evaluate@pca", "attack@pca"}
    assert log.progress.tasks[0].completed == 4


def test_a_stage_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    _, log = show("Stage 'report' didn't change, skipping\n" * 2, False, capsys)
    assert log.progress.tasks[0].completed == 1


def test_the_stage_that_was_running_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    lines, log = show("Running stage 'train@pca':\n> exec python\n", True, capsys)
    assert re.fullmatch(r"train@pca +failed", lines[0])
    assert log.done == set()


def test_errors_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    pass_errors_on(["WARNING: it is empty\n", "ERROR: no\n"])
    assert capsys.readouterr().err == "WARNING: it is empty\nERROR: no\n"
