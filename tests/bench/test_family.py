"""The registry of families: how an experiment's family is found, and what two families must not share."""

from __future__ import annotations

from typing import Any

import pytest

from veilbench.bench import family
from veilbench.bench.family import Family, family_named, family_of, in_order, register

KNOTS = Family("knots", "Tied knots", data=("ropes.data.Ropes",))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A separate registry with one family."""
    monkeypatch.setattr(family, "_known", {})
    register(KNOTS)


def config(target: str, **names: str) -> dict[str, Any]:
    return {"names": names, "data": {"_target_": target}}


def test_the_configuration_names_the_family_else_the_data_does() -> None:
    assert family_of(config("ropes.data.Ropes")) == "knots"
    assert family_of(config("ropes.data.Ropes", family="bows")) == "bows"
    assert family_of(config("ropes.strings.Strings")) == "strings"


def test_a_family_that_nobody_knows_has_a_title_and_nothing_else() -> None:
    assert family_named("knots") is KNOTS
    assert family_named("bows") == Family("bows", "Bows")


def test_known_families_come_first_and_as_they_were_registered() -> None:
    register(Family("bows", "Bows"))
    assert [found.name for found in in_order(["b", "bows", "knots", "a", "knots"])] == ["knots", "bows", "a", "b"]


def test_a_family_may_be_registered_twice_and_its_name_and_data_are_its_own() -> None:
    register(KNOTS)
    with pytest.raises(ValueError, match="two families are called knots"):
        register(Family("knots", "Others"))
    with pytest.raises(ValueError, match=r"knots and bows both take ropes\.data\.Ropes"):
        register(Family("bows", "Bows", data=("ropes.data.Ropes",)))
    assert in_order(["knots", "bows"])[0] is KNOTS
