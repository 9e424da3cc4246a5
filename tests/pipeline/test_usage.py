"""`--help`, no arguments and `--cfg job`: alike for `veilbench NAME` and for `python pipelines/NAME.py`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import yaml

from command_line import run
from veilbench.workflow import command
from veilbench.workflow.usage import USAGES

from .conftest import ROOT

SCRIPTS = sorted(path.stem for path in (ROOT / "pipelines").glob("*.py") if path.stem not in ("here", "flower_deploy"))
REQUIRED = [name for name, usage in USAGES.items() if usage.required]
PCA = "veilbench.families.autoencoders.baselines.pca.Pca"


def run_script(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> int:
    """A script in this process, by its exit code."""
    monkeypatch.setattr(command, "die_with_parent", lambda: None)
    monkeypatch.syspath_prepend(str(ROOT / "pipelines"))
    monkeypatch.setattr(sys, "argv", [f"pipelines/{name}.py", *arguments])
    try:
        runpy.run_path(str(ROOT / "pipelines" / f"{name}.py"), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("name", USAGES)
def test_help_of_a_command_says_its_arguments_and_its_purpose(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith(f"Usage: veilbench {name} {USAGES[name].arguments}")
    assert USAGES[name].purpose in shown


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_of_a_script_is_that_of_its_command(
    name: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_script(monkeypatch, name, option) == 0
    assert capsys.readouterr().out == f"{USAGES[name].line}\n\n{USAGES[name].purpose}\n"


def test_help_of_the_deployment_is_its_docstring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("veilbench.bench.lifeline.die_with_parent", lambda: None)
    assert run_script(monkeypatch, "flower_deploy", "--help") == 0
    assert "python pipelines/flower_deploy.py prepared/mail_small OUT" in capsys.readouterr().out
    assert run_script(monkeypatch, "flower_deploy") == 2
    assert capsys.readouterr().err == "error: usage: flower_deploy.py PREPARED OUT [setting=value ...]\n"


@pytest.mark.parametrize("name", REQUIRED)
def test_without_arguments_there_is_one_line_with_the_usage(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"error: usage: veilbench {name} {USAGES[name].arguments}\n"
    assert run(name) == 2
    assert capsys.readouterr().err == line
    if name in SCRIPTS:
        assert run_script(monkeypatch, name) == 2
        assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    "words",
    [
        ("sweep", "--cfg", "job", "experiment=pca", "seed=7"),
        ("sweep", "experiment=pca", "seed=7,8", "-c", "job"),
        ("sweep", "--cfg=job", "experiment=pca,denoising", "seed=7", "force=true", "--timeout", "5"),
        ("run", "--cfg", "job", "experiment=pca", "seed=7", "force=true"),
        ("plan", "experiment=pca", "seed=7", "--cfg", "job"),
        ("search", "autoencoder", "experiment=pca", "seed=7", "--cfg", "job"),
    ],
)
def test_the_settings_are_printed_and_nothing_is_run(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["seed"], shown["model"]["_target_"]) == (7, PCA)
    assert list(tmp_path.iterdir()) == []


def test_the_script_of_sweeps_prints_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_script(monkeypatch, "sweep", "--cfg", "job", "experiment=pca") == 0
    assert yaml.safe_load(capsys.readouterr().out)["model"]["_target_"] == PCA


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--cfg", "nope", "experiment=pca"), "argument --cfg/-c: invalid choice: 'nope'"),
        (("sweep", "--cfg", "job", "experiment=pca", "seed=range(0)"), "seed=range(0) gives no job"),
        (("train", "pca", "--cfg", "job"), "this stage takes one argument, EXPERIMENT, and not: pca --cfg job"),
        (("search", "--cfg", "job"), "usage: veilbench search NAME"),
        (("run", "experiment=hashmap_harden"), "There are: hashmap_hardened, hashmap_hardened_full, "),
        (("plan", "experiment=pca", "attack=[frequenci]"), "There are: frequency, frequency_full, affine, "),
        (("sweep", "experiment=pca", "model=vavelet"), "did you mean wavelet? There are: wavelet, "),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "die_with_parent", lambda: None)
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []
