"""Models that the real stages trained, for the commands to use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from command_line import run
from veilbench.bench import stages
from veilbench.workflow.compose import composed, plain

Train = Callable[..., Path]
Refusal = Callable[..., str]


def fit(folder: Path, *overrides: str) -> Path:
    """Prepare data and fit a model without training; give back the folder of the model."""
    config = plain(composed(["training=none", "tracking=none", *overrides]))
    stages.prepare(config, folder / "prepared")
    stages.train(config, folder / "prepared", folder / "train")
    return folder / "train"


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Fit a model within the folder of the test, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return partial(fit, tmp_path)


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Refusal:
    """The one line that a command ends on."""

    def refused(*arguments: object) -> str:
        capsys.readouterr()
        assert run(*arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert captured.err.startswith("error: ")
        return captured.err

    return refused
