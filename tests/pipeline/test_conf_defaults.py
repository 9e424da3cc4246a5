"""A default is stated once, in the constructor: files of conf/ say only what differs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from veilbench.bench.defaults import describe, fill
from veilbench.bench.roots import find_class
from veilbench.workflow.arguments import check_arguments
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.conf import conf_folders

CONF = conf_folders()[-1]
GROUPS = ("aggregation", "attack", "data", "evaluation", "model", "tracking", "trainer", "training")
FILES = [path for group in GROUPS for path in sorted((CONF / group).rglob("*.yaml"))]
REFERRED_TO = set(re.findall(r"\$\{([\w.]+)\}", " ".join(path.read_text("utf8") for path in CONF.rglob("*.yaml"))))


def stated(path: Path) -> dict[str, Any]:
    """What a file adds to its group, and in `defaults` what it inherits from."""
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf8")) or {}
    return content


def inherited(path: Path) -> dict[str, Any]:
    """What the files that a file inherits from state, merged."""
    merged: dict[str, Any] = {}
    for entry in stated(path).get("defaults", []):
        if isinstance(entry, dict):  # a group within the group
            merged |= {group: stated(path.parent / group / f"{name}.yaml") for group, name in entry.items()}
        elif entry != "_self_":
            above = path.parent / f"{entry.partition('@')[0]}.yaml"
            merged = merge(merge(merged, inherited(above)), stated(above))
    merged.pop("defaults", None)
    return merged


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {key: merge(below[key], above[key]) for key in below if isinstance(below[key], dict) and key in above}
    return below | above | {key: value for key, value in both.items() if isinstance(above[key], dict)}


def repeated(node: Any, under: Any, place: str) -> Iterator[str]:
    """The dotted names of values that equal what would stand there without them."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from repeated(child, None, f"{place}[{index}]")
    if not isinstance(node, dict):
        return
    under = under if isinstance(under, dict) else {}
    target = node.get("_target_", under.get("_target_"))
    parameters = inspect.signature(find_class(target, object)).parameters if target else {}
    for key, value in node.items():
        name = f"{place}.{key}"
        if key in ("_target_", "defaults") or any(f"{other}.".startswith(f"{name}.") for other in REFERRED_TO):
            continue
        if key in under:
            without = [fill(under[key])]
        else:
            without = [describe(p.default) for n, p in parameters.items() if n == key and p.default is not p.empty]
        if without == [fill(value)]:
            yield f"{name}={value}"
        else:
            yield from repeated(value, under.get(key), name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_value_of_conf_repeats_a_default(path: Path) -> None:
    package = re.match(r"# @package ([\w.]+)", path.read_text("utf8"))
    place = package[1] if package else path.relative_to(CONF).parts[0]
    assert list(repeated(stated(path), inherited(path), place)) == []


def test_a_value_that_no_file_names_can_be_overridden() -> None:
    assert "code_bits" not in (CONF / "model" / "cipher_small.yaml").read_text()
    config = plain(composed(["experiment=cipher_small", "model.code_bits=24"]))
    assert config["model"]["code_bits"] == 24
    assert config["model"]["slope"] == 0.3


def test_a_sweep_over_values_that_no_file_names_is_written_for_hydra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veilbench.workflow.arguments.CHECKED", 4)  # of its 24 jobs
    words = ["-m", "experiment=undercomplete", "sweep=autoencoder_grid", "model.loss=mse", "seed=0,1", "attack=[]"]
    rewritten = check_arguments(words)
    assert rewritten == [
        "-m", "experiment=undercomplete", "sweep=autoencoder_grid", "++model.loss=mse", "seed=0,1", "attack=[]",
        "++model.net.code=2,4,8,16", "++model.net.layers=1,2,3", "hydra.sweeper.params=null",
    ]  # fmt: skip
