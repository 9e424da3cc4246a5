"""Mistakes in files of conf/, in overrides and on the command line of a sweep: one line, before anything is written."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from veilbench.bench.errors import UserError
from veilbench.workflow.arguments import MOST_JOBS, check_arguments, jobs
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.explain import parse

from .conftest import ROOT


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/ that a test may damage."""
    folder = tmp_path / "conf"
    shutil.copytree(ROOT / "conf", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def refusal(*overrides: str) -> str:
    with pytest.raises(UserError) as refused:
        plain(composed(list(overrides)))
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seed: 1\n\tobjective: 2\n", "line 2, column 1"),
        (b"# @package _global_\nseed: [1, 2\n", "experiment/mine.yaml, line 3"),
        (b'seed: "1\n', "experiment/mine.yaml, line 2"),
        (b"# @package _global_\nseed: 1\nseed: 2\n", "experiment/mine.yaml, line 3"),
        (b"seed: \xff\n", "experiment/mine.yaml, line 1: the byte 0xff is not UTF-8"),
        (b"seed: *nowhere\n", "experiment/mine.yaml, line 1"),
        (b"model: &m {a: *m}\n", "experiment/mine.yaml, line 1: this node contains itself"),
        (b"# @package _global_\ndefaults:\n  - override /model: plaintextt\n", "there is no model=plaintextt"),
        (b"# @package _global_\ndefaults:\n  - override /model: plaintextt\n", "did you mean plaintext?"),
        (b"# @package _global_\nseed: 1\n", "no model is chosen; model=NAME takes one of aes_ctr, "),
        (b"# @package _global_\ndefaults:\n  - override /attack: [frequncy]\n", "did you mean frequency?"),
    ],
)
def test_a_damaged_experiment_file_is_named_with_the_line(conf: Path, content: bytes, said: str) -> None:
    (conf / "experiment" / "mine.yaml").write_bytes(content)
    assert said in refusal("experiment=mine")


PLAIN = "# @package _global_\ndefaults:\n  - override /model: plaintext\n  - override /training: none\n"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("attack: {frequncy: {texts: 3}}\n", "there is no attack frequncy; did you mean frequency? There are: "),
        ("evaluation: {fidelty: {length: 3}}\n", "there is no evaluation fidelty; did you mean fidelity?"),
        ("attack: {frequency: 3}\n", "attack.frequency=3 is not allowed: settings of frequency are keys with values"),
        ("attack: 3\n", "attack=3"),
        ("model: null\n", "model=None is not allowed: choose one of aes_ctr, "),
        ("model: []\n", "Cannot merge DictConfig with ListConfig"),
        ("data: text\n", "data=text is not allowed: choose one of adbench, "),
        ("seed: [1]\n", "seed=[1] is not allowed"),
        ("objective: 3\n", "objective=3 is not allowed"),
        ("atack: {frequency: {texts: 3}}\n", "unknown key atack"),
        ("true: 2\n", "unknown key True=2"),
        ("1: 2\nx: 3\n", "unknown key 1=2"),
    ],
)
def test_an_experiment_that_sets_what_does_not_exist_is_refused(conf: Path, more: str, said: str) -> None:
    (conf / "experiment" / "mine.yaml").write_text(PLAIN + more)
    assert said in refusal("experiment=mine")


def test_an_experiment_may_set_up_what_another_one_chooses(conf: Path) -> None:
    (conf / "experiment" / "mine.yaml").write_text(PLAIN + "attack: {frequency: {texts: 3}}\n")
    assert plain(composed(["experiment=mine"]))["attack"] == {}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["experiment=pca", "hydra=null"], "hydra"),
        (["experiment=null"], "experiment=null is not allowed: experiment takes one name: aes_ctr, "),
        (["experiment=3"], "experiment=3 is not allowed"),
        (["experiment=aes_ctr", "model=null"], "model=null is not allowed: model takes one name"),
        (["experiment=aes_ctr", "model=[aes_ctr]"], "model takes one name"),
        (["experiment=aes_ctr", "attack=[3]"], "attack takes a list of names"),
        (["experiment=aes_crt"], "there is no experiment=aes_crt; did you mean aes_ctr? There are: aes_ctr, "),
        (["experiment=aes_ctr", "attack=[frequncy]"], "there is no attack=frequncy; did you mean frequency?"),
        (["experiment=cipher_small", "model.code_bitz=3"], "unknown key model.code_bitz=3; allowed: encrypter"),
        (["experiment=aes_ctr", "sede=3"], "there is no key sede; did you mean seed?"),
        (["experiment=aes_ctr", "~seed"], "the configuration has no seed"),
        (["experiment=aes_ctr", "~data"], "the configuration has no data"),
        (["=3"], "the override '=3' has no key"),
        (["experiment=[[["], "the override 'experiment=[[[' cannot be read"),
        (["model.x={"], "the override 'model.x={' cannot be read"),
        (["seed=`"], "the override 'seed=`' cannot be read"),
        ([""], "the override '' cannot be read"),
        (["seed=" + "[" * 2000], "cannot be read"),
        (["experiment=pca", "model.code=${model.code}"], "Recursive interpolation"),
        (["experiment=pca", "model.code=${nowhere}"], "nowhere"),
        (["experiment=cipher_small", "++model.slope={_target_:os.getcwd}"], "model.slope._target_=os.getcwd"),
        (["experiment=aes_ctr", "~model", "+model={_target_:os.getcwd}"], "model takes one name"),
        (["experiment=aes_ctr", "++model._target_=veilbench.bench.stages.os.system"], "there is no module"),
    ],
)
def test_a_wrong_override_is_one_line(overrides: list[str], said: str) -> None:
    assert said in refusal(*overrides)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "experiment=aes_ctr", "seed=range(0)"], "seed=range(0) gives no job"),
        (["-m", "experiment=aes_ctr", "seed=range(1000000000000)"], f"more than {MOST_JOBS} jobs"),
        (["-m", "experiment=aes_ctr", "seed=range(0,3,0)"], "seed=range(0,3,0): range() arg 3 must not be zero"),
        (["-m", "experiment=glob(aes*)"], "experiment=glob(aes*) is not allowed: list the names"),
        (["-m", "experiment=aes_ctr,aes_crt"], "there is no experiment=aes_crt; did you mean aes_ctr?"),
        (["-m", "experiment=aes_ctr,pca", "seed=0,-1"], "seed=-1 is not allowed"),
        (["-m", "experiment=pca", "model.code=interval(1, 3)"], "a sweep is over listed values or a range"),
        (["--frob"], "unrecognized arguments: --frob"),
        (["--experimental-rerun", "x"], "--experimental-rerun is not allowed"),
        (["--resolve", "experiment=pca"], "--resolve is only allowed with --cfg"),
        (["--config-name=other", "experiment=pca"], "--config-name is not allowed"),
        (["experiment=pca", "+hydra.callbacks.x._target_=os.getcwd"], "hydra.callbacks="),
        (["experiment=pca", "hydra.callbacks.before._target_=os.getcwd"], "hydra.callbacks="),
        (["experiment=pca", "~hydra.callbacks.before"], "hydra.callbacks={}"),
        (["experiment=pca", "hydra.launcher._target_=os.getcwd"], "hydra.launcher._target_=os.getcwd is not allowed"),
        (["experiment=pca", "+hydra.job_logging.handlers.x.class=os.getcwd"], "handlers.x.class=os.getcwd"),
        (["experiment=pca", "+hydra.job_logging.handlers.x.stream=ext://os.getcwd"], "ext://os.getcwd"),
        (["experiment=pca", "hydra.job.env_copy=[NO_SUCH]"], "Hydra finds no 'NO_SUCH' in the environment"),
        (["experiment=pca", "hydra.searchpath=[pkg://antigravity]"], "pkg://antigravity"),
        (["experiment=pca", "hydra.searchpath=[file:///nonesuch]"], "no folder file:///nonesuch"),
    ],
)
def test_a_sweep_is_checked_before_it_begins(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        check_arguments(arguments)
    assert said in str(refused.value)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "arguments",
    [
        ["experiment=pca", "seed=3"],
        ["-m", "experiment=pca,aes_ctr", "seed=range(2)"],
        ["-m", "experiment=pca", "seed=range(5000)"],
        ["-m", "sweep=joblib", "experiment=pca", "seed=1,2"],
        ["-m", "experiment=undercomplete", "sweep=autoencoder_grid"],
        ["--cfg", "job", "experiment=pca"],
        ["--help"],
    ],
)
def test_a_sound_sweep_passes(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.workflow.arguments.CHECKED", 4)  # composing a job takes a third of a second
    check_arguments(arguments)


def test_of_many_jobs_some_are_composed_and_every_value_is_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.workflow.arguments.CHECKED", 4)
    spread = list(jobs(parse(["model=a,b", "seed=range(3000)", "data=text"])))
    assert [job[1] for job in spread] == ["seed=0", "seed=750", "seed=1500", "seed=2249", "seed=2999"]
    assert {job[0] for job in spread} == {"model=a", "model=b"}
    assert len(list(jobs(parse(["model=a,b", "seed=0,1"])))) == 4


def test_a_logger_made_by_a_function_is_refused(conf: Path) -> None:
    text = PLAIN + "hydra: {job_logging: {handlers: {x: {'()': os.getcwd}}}}\n"
    (conf / "experiment" / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=r"handlers\.x\.\(\)=os\.getcwd is not allowed"):
        check_arguments(["experiment=mine"])
