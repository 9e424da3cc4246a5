"""What the families declare to the report names evaluations and attacks that exist."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest

from veilbench.bench.family import Family
from veilbench.families import MODULES

CONF = Path(__file__).parents[2] / "conf"
PARTS = {path.stem for group in ("evaluation", "attack") for path in (CONF / group).glob("*.yaml")}
NOT_PARTS = {"train_seconds", "evaluate_seconds", "attack_seconds", ""}  # times of stages, and empty cells


def keys_of(family: Family) -> Iterator[str]:
    """Yield every name of a metric, rate or part that the family's declarations mention."""
    yield from (column.metric for column in family.columns)
    yield from (key for rate in family.rates for key in (rate.there, rate.back))
    yield from (key for spec in family.tradeoffs for panel in spec.panels for key in (*panel.keys, *panel.keyless))
    if family.card:
        for section in family.card.sections:
            yield from section.parts
            yield from (key for block in section.blocks for line in block.lines for key in line.keys)


@pytest.mark.parametrize("module", MODULES)
def test_every_key_belongs_to_an_evaluation_or_an_attack(module: str) -> None:
    family: Family = import_module(module).FAMILY
    keys = {key.partition(".")[0] for key in keys_of(family)} - NOT_PARTS
    assert keys, family.name
    unknown = [key for key in keys if not any(fnmatch(part, key) for part in PARTS)]
    assert not unknown
