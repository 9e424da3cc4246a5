"""dvc.lock is written to the byte as DVC writes it, and whole or not at all."""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
from dvc import dvcfile
from dvc.utils import strictyaml
from dvc.utils.serialize import load_yaml, modify_yaml

from veilbench.workflow.dvc_quick import main, modify_lock, remember_parsed

REAL = [
    "0123456789abcdef", "12345678e9012345", "9e99", "1e5", "1234567890123456", "exec python pipelines/train.py pca",
    "0123456789abcdef0123456789abcdef.dir", "cipher_small",
]  # fmt: skip
ODD = [
    "true",
    "null",
    "no",
    "~",
    "0x1f",
    "1_000",
    "2026-01-01",
    ".5",
    "1.",
    "+12e03",
    "a: b",
    "#c",
    " x",
    "",
    "1:30",
    "é",
]


def stage(text: str) -> OrderedDict[str, object]:
    outs = [{"path": f"results/{text}/{name}.json", "hash": "md5", "md5": text, "size": 9} for name in "ab"]
    params = OrderedDict([("params/digests/pca.json", OrderedDict([("train", text)]))])
    return OrderedDict([("cmd", text), ("params", params), ("outs", outs)])


def test_the_file_is_that_of_dvc(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for text in REAL:
        for path, modify in ((ours, modify_lock), (theirs, modify_yaml)):
            with modify(str(path)) as content:
                content["schema"] = "2.0"
                content.setdefault("stages", {})[f"train@{text}"] = stage(text)
        assert ours.read_bytes() == theirs.read_bytes(), text


@pytest.mark.parametrize("text", [*REAL, *ODD])
def test_every_text_is_a_text_when_dvc_reads_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dvc.lock"
    with modify_lock(str(path)) as content:
        content["stages"] = {"train": stage(text)}
    read = load_yaml(str(path))["stages"]["train"]
    assert read == json.loads(json.dumps(stage(text)))


def test_a_failure_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    path.write_text("schema: '2.0'\nstages: {}\n")

    def fail() -> None:
        with modify_lock(str(path)) as content:
            content["stages"] = {"a": 1}
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "schema: '2.0'\nstages: {}\n"
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_process_has_written_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "dvc.lock"
    with modify_lock(str(path)) as content:
        content["stages"] = {"a": 1}
    other = tmp_path / "other"
    other.write_text("stages: {b: 1}\n")
    other.replace(path)
    with modify_lock(str(path)) as content:
        content["stages"]["c"] = 1
    assert load_yaml(str(path)) == {"stages": {"b": 1, "c": 1}}


def test_what_was_written_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dvc.lock"
    with modify_lock(str(path)) as content:
        content["stages"] = {"a": 1}
    monkeypatch.setattr("veilbench.workflow.dvc_quick.yaml.load", lambda *_, **__: pytest.fail("parsed again"))
    with modify_lock(str(path)) as content:
        content["stages"]["b"] = content["stages"].pop("a")
    assert load_yaml(str(path)) == {"stages": {"b": 1}}


def test_a_pipeline_is_parsed_again_only_when_its_file_has_changed(tmp_path: Path) -> None:
    path, parsed = tmp_path / "dvc.yaml", []

    def parse(place: str, schema: object, fs: object) -> tuple[dict[str, object], str]:
        parsed.append(place)
        return strictyaml.load(place, schema, fs)  # type: ignore[no-any-return]

    load = remember_parsed(parse)
    path.write_text("stages: {a: 1}\n")
    os.utime(path, ns=(0, 0))
    first, _ = load(str(path), dict)
    first["stages"]["a"] = 2  # what a caller does with it stays with the caller
    assert load(str(path), dict) == ({"stages": {"a": 1}}, "stages: {a: 1}\n")
    assert len(parsed) == 1
    path.write_text("stages: {a: 3}\n")
    os.utime(path, ns=(0, 0))  # the same size and time: clocks of file systems may be coarse
    assert load(str(path), dict)[0] == {"stages": {"a": 3}}
    assert len(parsed) == 2


def test_dvc_works_by_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(dvcfile, "modify_yaml", dvcfile.modify_yaml)  # restored afterwards
    monkeypatch.setattr(strictyaml, "load", original := strictyaml.load)
    monkeypatch.setattr(sys, "argv", ["dvc", "version"])
    assert main() == 0
    assert dvcfile.modify_yaml is modify_lock
    assert strictyaml.load is not original
