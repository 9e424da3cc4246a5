"""Stages of a small experiment: inputs must be made for it, and outputs are complete or unchanged."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from veilbench.bench import stages
from veilbench.bench.contracts import Training
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config
from veilbench.bench.trained_model import load_trained_model
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.workflow.compose import composed, plain

WORDS = ["tracking=none", "data.words=[400,600]", "evaluation=[fidelity]", "evaluation.fidelity.length=100"]
WORDS += ["attack=[chosen_plaintext]", "attack.chosen_plaintext.games=20", "attack.chosen_plaintext.queries=24"]
WORDS += ["attack.chosen_plaintext.length=8"]
MADE = ("prepared", "train", "evaluate", "attack")


def config(model: str = "substitution", *words: str) -> Config:
    return plain(composed([f"model={model}", "training=none", *WORDS, *words]))


@pytest.fixture(scope="module")
def ours() -> Config:
    return config()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, ours: Config) -> Path:
    root = tmp_path_factory.mktemp("record")
    before = Path.cwd()
    os.chdir(root)  # control results are cached in the working folder
    try:
        stages.run_all(ours, root)
    finally:
        os.chdir(before)
    return root


@pytest.fixture
def root(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(record, tmp_path / "root")
    monkeypatch.chdir(tmp_path / "root")
    return tmp_path / "root"


def run(stage: str, config: Config, root: Path) -> None:
    data, trained = root / "prepared", root / "train"
    if stage == "prepare":
        stages.prepare(config, data)
    elif stage == "train":
        stages.train(config, data, trained)
    else:
        getattr(stages, stage)(config, data, trained, root / stage)


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_stage_signs_its_folder(root: Path, ours: Config) -> None:
    signed = {name: json.loads((root / name / "made_by.json").read_text()) for name in MADE}
    for name, found in signed.items():
        assert found["stage"] == name.removesuffix("d")
        assert set(found["files"]) == {path.name for path in (root / name).iterdir()}
        assert found["digests"].items() <= ours["digests"].items()


@pytest.mark.parametrize("stage", ["evaluate", "attack"])
def test_the_model_of_another_experiment_is_refused(root: Path, stage: str) -> None:
    before = content(root)
    with pytest.raises(UserError, match=r"train was made with other settings or code: its digest of the stage `train`"):
        run(stage, config("aes_ctr"), root)
    assert content(root) == before


@pytest.mark.parametrize("stage", ["evaluate", "attack"])
def test_a_model_of_a_kind_that_is_not_examined_is_refused(
    root: Path, ours: Config, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "load_trained_model", lambda folder: Pca())
    before = content(root)
    with pytest.raises(UserError, match=r"train holds a Pca, and \w+\.\w+ examines a \w+: run the stage `train` again"):
        run(stage, ours, root)
    assert content(root) == before


@pytest.mark.parametrize("stage", ["train", "evaluate", "attack"])
def test_data_prepared_otherwise_are_refused(root: Path, stage: str) -> None:
    before = content(root)
    with pytest.raises(UserError, match=r"prepared was made with other settings or code"):
        run(stage, config("substitution", "data.words=[400,601]"), root)
    (root / "prepared" / "made_by.json").unlink()
    with pytest.raises(UserError, match=r"prepared/made_by.json is missing.*run the stage `prepare` again"):
        run(stage, config(), root)
    del before["prepared/made_by.json"]
    assert content(root) == before


TEXT = {"_target_": "veilbench.families.ciphers.data.text.TextData"}


@pytest.mark.parametrize(
    ("stage", "group", "node", "said"),
    [
        (
            "train",
            "training",
            TEXT,
            "training=TextData .* not a Training",
        ),
        ("train", "trainer", {"x": 1}, "trainer=dict .* not an Accelerator"),
        ("prepare", "data", {"_target_": "veilbench.bench.tracking.NoTracking"}, "data=NoTracking .* not a DataSet"),
        ("evaluate", "evaluation", {"fidelity": "x"}, r"evaluation\.fidelity=str .* not an Evaluation"),
        (
            "evaluate",
            "evaluation",
            TEXT,
            "evaluation=TextData .* names",
        ),
        (
            "attack",
            "attack",
            {"x": TEXT},
            r"attack\.x=TextData .* Attack",
        ),
    ],
)
def test_a_part_that_is_not_what_its_group_is_for_is_refused(
    root: Path, ours: Config, stage: str, group: str, node: Any, said: str
) -> None:
    before = content(root)
    with pytest.raises(UserError, match=said):
        run(stage, ours | {group: node}, root)
    assert content(root) == before


@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate", "attack"])
def test_a_stage_again_writes_the_same_and_refuses_to_remove_what_it_did_not_write(
    root: Path, ours: Config, stage: str
) -> None:
    before = content(root)
    run(stage, ours, root)
    after = content(root)
    own = "prepared" if stage == "prepare" else stage
    assert {name for name in after if after[name] != before.get(name)} <= {f"{own}/cost.json", f"{own}/run.json"}
    (root / own / "notes.md").write_text("mine")
    before = content(root)
    with pytest.raises(UserError, match=rf"{own} holds notes.md, which this command has not written"):
        run(stage, ours, root)
    assert content(root) == before


@pytest.mark.parametrize("stage", ["evaluate", "attack"])
def test_the_headline_is_part_of_a_record_that_is_written_again(root: Path, ours: Config, stage: str) -> None:
    def summarize(config: Config, found: Any) -> dict[str, str | float]:
        return {"metric": " ".join(found), "value": float(config["seed"])}

    write = getattr(stages, stage)
    for seed in (ours["seed"], ours["seed"], 7):
        write(ours | {"seed": seed}, root / "prepared", root / "train", root / stage, summarize=summarize)
    name = "fidelity" if stage == "evaluate" else "chosen_plaintext"
    assert json.loads((root / stage / "headline.json").read_text()) == {"metric": name, "value": 7.0}
    write(ours, root / "prepared", root / "train", root / stage)
    assert not (root / stage / "headline.json").exists()


@pytest.mark.parametrize("stage", ["prepare", "train", "evaluate", "attack"])
def test_a_full_disk_leaves_the_earlier_record(
    root: Path, ours: Config, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*anything: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = content(root)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match=r"cannot write the folder .*: No space left on device"):
        run(stage, ours, root)
    assert content(root) == before
    assert not list(root.rglob(".*.partial*"))


def keys(root: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the keys of the cached controls that an attack requests."""
    asked: list[str | None] = []

    class Watched(ControlMemory):
        def __init__(self, folder: Path, key: str | None) -> None:
            super().__init__(folder, key)
            asked.append(key)

    monkeypatch.setattr(stages, "ControlMemory", Watched)
    run("attack", config, root)
    return {str(key) for key in asked}


def test_a_control_is_remembered_for_the_same_data_and_seed_alone(
    root: Path, ours: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = keys(root, ours, monkeypatch)
    assert keys(root, ours, monkeypatch) == found
    assert len(found) == 1
    text = (root / "prepared" / "target.txt").read_text()
    (root / "prepared" / "target.txt").write_text(text[::-1])  # as if a file that the settings only name had changed
    found |= keys(root, ours, monkeypatch)
    assert len(found) == 2
    seeded = config("substitution", "seed=1", "data.seed=0")
    run("train", seeded, root)
    assert len(found | keys(root, seeded, monkeypatch)) == 3


class Asked(Exception):
    """Ends an attack when it requests a cached control."""


def test_a_control_is_remembered_for_the_largest_budget_of_a_ladder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smaller budgets only add points to the curve: the same largest budget uses the same cached control."""

    def stop(folder: Path, key: str | None) -> None:
        raise Asked(key)

    monkeypatch.setattr(stages, "ControlMemory", stop)

    def asked(lengths: str, *more: str) -> str:
        words = [*WORDS[:3], "attack=[frequency]", f"attack.frequency.lengths={lengths}", *more]
        settings = plain(composed(["model=substitution", "training=none", *words]))
        with pytest.raises(Asked) as key:
            run("attack", settings, root)
        return str(key.value)

    assert asked("[20,40,80]") == asked("[80]") == asked("[40,80]")
    others = {asked("[80]"), asked("[40,90]"), asked("[80]", "attack.frequency.search.restarts=1")}
    assert len(others) == 3


def test_the_budget_of_a_nested_part_is_reduced_to_its_largest_value() -> None:
    node = {"decoders": {"_target_": "some.Decoders", "sizes": [20, 80, 40], "steps": 3}, "fmr": [0.1, 0.2]}
    reduced = stages._at_largest_budget(node, "decoders.sizes")
    assert reduced == {"decoders": {"_target_": "some.Decoders", "sizes": 80, "steps": 3}, "fmr": [0.1, 0.2]}
    assert node["decoders"]["sizes"] == [20, 80, 40]  # the settings themselves are as they were
    for absent in (None, "sizes", "decoders.kinds", "encoders.sizes"):
        assert stages._at_largest_budget(node, absent) == node


def test_each_stage_and_attack_has_random_numbers_of_its_own(ours: Config) -> None:
    drawn = {
        (seed, stage): tuple(stages.seed_stage({**ours, "seed": seed}, stage).generate_state(4))
        for seed in (0, 1)
        for stage in ("train", "frequency", "fidelity")
    }
    assert len(set(drawn.values())) == len(drawn)
    assert tuple(stages.seed_stage({**ours, "seed": 0}, "train").generate_state(4)) == drawn[0, "train"]


class Resumable(Training):
    """A training that keeps a checkpoint."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.forgotten = inner, False

    def fit(self, *anything: Any) -> Any:
        return self.inner.fit(*anything)

    def forget(self) -> None:
        assert Path("train/metrics.json").is_file()
        self.forgotten = True


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_training_can_go_on_from_goes_when_its_record_is_there(
    root: Path, ours: Config, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    real, made = stages.part, list[Resumable]()

    def part(config: Config, key: str) -> Any:
        if key != "training":
            return real(config, key)
        made.append(Resumable(real(config, key)))
        return made[0]

    monkeypatch.setattr(stages, "part", part)
    shutil.rmtree(root / "train")
    if fails:
        monkeypatch.setattr(stages, "sign", lambda *anything: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("train", ours, root)
    else:
        run("train", ours, root)
    assert made[0].forgotten is not fails


class Bare(Pca):
    """A finished model: what does not apply to it is recorded."""

    finished = True

    def lacks(self) -> dict[str, str]:
        return {"bottleneck": "it has no bottleneck"}


class Blind(Bare):
    def score(self, rows: Any) -> Any:
        raise NotImplementedError("it is blind")


@pytest.mark.parametrize("kind", [Bare, Blind])
def test_what_does_not_apply_to_a_finished_model_is_recorded_and_the_rest_runs(
    kind: type[Bare], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["experiment=pca", "data=digits_one", "data.most_rows=200", "evaluation=[anomaly,reconstruction]"]
    resolved = plain(composed([*words, "model.code=3", "tracking=none", "attack=[inversion]"]))
    stages.prepare(resolved, Path("prepared"))
    stages.train(resolved, Path("prepared"), Path("train"))
    monkeypatch.setattr(stages, "load_trained_model", lambda folder: _as(kind, load_trained_model(folder)))
    stages.evaluate(resolved, Path("prepared"), Path("train"), Path("evaluate"))
    stages.attack(resolved, Path("prepared"), Path("train"), Path("attack"))
    found = {n: f for s in ("evaluate", "attack") for n, f in json.loads(Path(s, "findings.json").read_text()).items()}
    assert found["reconstruction"]["metrics"]
    assert found["inversion"]["reason"] == "not applicable by construction: it has no bottleneck"
    assert found["inversion"]["threat"] == {
        "ciphertext": True,
        "public_ids": True,
        "auxiliary_data": True,
        "code_queries": True,
    }
    assert bool(found["anomaly"]["metrics"]) == (kind is Bare)
    assert found["anomaly"]["reason"] == ("" if kind is Bare else "not applicable by construction: it is blind")


def _as(kind: type[Bare], model: Any) -> Bare:
    model.__class__ = kind
    return cast(Bare, model)
