"""How the commands are run on a model of the test."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from fitting import Refusal, Train, fit

from command_line import run


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
