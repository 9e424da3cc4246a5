"""Names out of configurations and files lead to classes of registered packages, and to nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from veilbench.data.text import TextData
from veilbench.errors import UserError
from veilbench.roots import find_class
from veilbench.subject import Subject


def test_a_class_is_found_by_its_dotted_name() -> None:
    assert find_class("veilbench.data.text.TextData", object) is TextData
    assert find_class("veilbench.data.text.TextData", TextData) is TextData


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "veilbench_evil.Thing",
        "veilbench.stages.os.system",
        "veilbench.stages.Path",
        "veilbench.stages.json.loads",
        "veilbench.stages.train",
        "veilbench.data.text.TextData.load",
        "veilbench.data.text.TextData.__init__.__globals__",
        "veilbench.nowhere.Thing",
        "veilbench.",
        "veilbench",
        ".veilbench.data.text.TextData",
        "veilbench..data",
        "veilbench/data/text.TextData",
        "veilbench.data.text.TextData ",
        "",
        None,
        3,
        ["veilbench.data.text.TextData"],
    ],
)
def test_everything_else_is_refused_by_its_place(target: object) -> None:
    with pytest.raises(UserError, match="names nothing that can be imported") as refused:
        find_class(target, object, "model._target_")
    assert str(refused.value).startswith(f"model._target_={target} ")


def test_a_foreign_module_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foreign_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError):
        find_class("foreign_module.Thing", object)
    assert "foreign_module" not in sys.modules


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(UserError, match="TextData is not a Subject"):
        find_class("veilbench.data.text.TextData", Subject)
