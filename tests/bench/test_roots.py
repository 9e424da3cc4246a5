"""Names in configurations and files can only refer to classes of registered packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.bench.roots import find_class, with_article
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.ciphers.data.text import TextData


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("Detector", "a Detector"),
        ("Evaluation", "an Evaluation"),
        ("Attack", "an Attack"),
        ("IndexScheme", "an IndexScheme"),
        ("Unlinkability", "an Unlinkability"),
        ("Unstamped", "an Unstamped"),
        ("UserKey", "a UserKey"),
        ("UniformNoise", "a UniformNoise"),
    ],
)
def test_class_names_get_the_article_of_their_first_sound(name: str, phrase: str) -> None:
    assert with_article(name) == phrase


def test_a_class_of_another_kind_is_refused_with_the_right_article() -> None:
    with pytest.raises(UserError, match="TextData is not an Attack"):
        find_class("veilbench.families.ciphers.data.text.TextData", Attack)


def test_a_class_is_found_by_its_dotted_name() -> None:
    assert find_class("veilbench.families.ciphers.data.text.TextData", object) is TextData
    assert find_class("veilbench.families.ciphers.data.text.TextData", TextData) is TextData


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "veilbench_evil.Thing",
        "veilbench.bench.stages.os.system",
        "veilbench.bench.stages.Path",
        "veilbench.bench.stages.json.loads",
        "veilbench.bench.stages.train",
        "veilbench.families.ciphers.data.text.TextData.load",
        "veilbench.families.ciphers.data.text.TextData.__init__.__globals__",
        "veilbench.nowhere.Thing",
        "veilbench.",
        "veilbench",
        ".veilbench.data.text.TextData",
        "veilbench..data",
        "veilbench/data/text.TextData",
        "veilbench.families.ciphers.data.text.TextData ",
        "",
        None,
        3,
        ["veilbench.families.ciphers.data.text.TextData"],
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
    with pytest.raises(UserError, match="TextData is not a TrainedModel"):
        find_class("veilbench.families.ciphers.data.text.TextData", TrainedModel)
