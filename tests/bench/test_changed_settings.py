"""Settings that differ from the defaults of constructors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from veilbench.bench import changed_settings
from veilbench.bench.changed_settings import list_changed_settings
from veilbench.bench.defaults import TARGET, fill


@dataclass(frozen=True)
class Search:
    """A part with defaults."""

    steps: int = 10
    kinds: tuple[str, ...] = ("a", "b")


class Model:
    def __init__(self, bits: int, search: Search = Search(20), rate: float = 0.1, other: Any = None) -> None: ...


class Odd:
    def __init__(self, steps: Any = field, rate: float = 0.5) -> None: ...


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {f"{__name__}.{kind.__name__}": kind for kind in (Search, Model, Odd)}
    for module in ("changed_settings", "defaults"):
        monkeypatch.setattr(f"veilbench.bench.{module}.find_class", lambda name, *_: kinds[name])


def node(kind: type, **given: Any) -> dict[str, Any]:
    return {TARGET: f"{__name__}.{kind.__name__}", **given}


def changed(given: dict[str, Any]) -> dict[str, Any]:
    return list_changed_settings(fill(given), "model")


def test_arguments_without_a_default_are_listed_and_defaults_are_not() -> None:
    assert changed(node(Model, bits=8)) == {"model.bits": 8}
    assert changed(node(Model, bits=8, rate=0.1, search=node(Search, steps=20))) == {"model.bits": 8}


def test_a_part_is_compared_with_the_default_of_its_owner() -> None:
    """Ten steps are the default of a search, but not of the model's."""
    assert changed(node(Model, bits=8, search=node(Search))) == {"model.bits": 8, "model.search.steps": 10}
    assert changed(node(Model, bits=8, search={"kinds": ["a"]})) == {"model.bits": 8, "model.search.kinds": ["a"]}


def test_a_part_of_another_class_is_listed_with_what_differs_from_its_own_defaults() -> None:
    assert changed(node(Model, bits=8, other=node(Search, steps=3))) == {
        "model.bits": 8, "model.other": "Search", "model.other.steps": 3,
    }  # fmt: skip


def test_a_default_without_plain_form_counts_as_none() -> None:
    assert list_changed_settings(node(Odd, steps=1, rate=0.5), "x") == {"x.steps": 1}


def test_parts_by_name_are_listed_by_their_classes() -> None:
    assert list_changed_settings({"one": node(Search, steps=10, kinds=["a", "b"])}, "attack") == {
        "attack.one": "Search"
    }
    assert changed_settings.list_changed_settings({}, "attack") == {}
