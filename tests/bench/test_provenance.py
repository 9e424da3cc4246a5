"""Signatures of stages: what is signed, and when a folder is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.provenance import BEFORE, FILE, list_written, require, sign

CONFIG: dict[str, Any] = {"digests": {"prepare": "p0", "train": "t0", "evaluate": "e0", "attack": "a0"}}


def other(**digests: str) -> dict[str, Any]:
    return {"digests": CONFIG["digests"] | digests}


@pytest.mark.parametrize("stage", BEFORE)
def test_a_stage_is_known_by_its_own_digest_and_those_before_it(tmp_path: Path, stage: str) -> None:
    sign(tmp_path, stage, CONFIG)
    require(tmp_path, stage, CONFIG)
    for name in CONFIG["digests"]:
        if name not in (*BEFORE[stage], stage):
            require(tmp_path, stage, other(**{name: "x"}))
            continue
        with pytest.raises(
            UserError, match=f"its digest of the stage `{name}` is {name[0]}0, and that of this .* is x"
        ):
            require(tmp_path, stage, other(**{name: "x"}))


def test_the_folder_of_another_stage_is_refused(tmp_path: Path) -> None:
    sign(tmp_path, "evaluate", CONFIG)
    with pytest.raises(UserError, match=r"written by the stage evaluate, not by attack; run the stage `attack` again"):
        require(tmp_path, "attack", CONFIG)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{}", b'{"stage": "train"}', b"\xff", b'{"stage": "tr'])
def test_a_missing_or_damaged_signature_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match=rf"{FILE} is missing.*run the stage `train` again"):
        require(tmp_path, "train", CONFIG)
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UserError, match=rf"{FILE} is damaged.*run the stage `train` again"):
        require(tmp_path, "train", CONFIG)
    assert list_written(tmp_path) == [FILE]


def test_it_names_what_the_stage_wrote(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "about.json").write_text("{}")
    sign(tmp_path, "prepare", {"digests": {"prepare": "p0"}})  # the config of a data set has only this digest
    (tmp_path / "notes").write_text("not ours")
    assert set(list_written(tmp_path)) == {FILE, "weights", "about.json"}
    assert json.loads((tmp_path / FILE).read_text())["digests"] == {"prepare": "p0"}
