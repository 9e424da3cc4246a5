"""The registry of model families, with what the report shows of them. Each family registers itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from veilbench.bench.experiment import Config
from veilbench.bench.report.specs import Card, Comparison, Rate, Tradeoff, Utility


@dataclass(frozen=True)
class Family:
    """Models of one kind, and what the report shows of them.

    Attributes:
        name: the family's name in records and in `veilbench.families`.
        title: the family's name on the report's page.
        data: `_target_`s of the data sets that its models take.
        columns: columns of the leaderboard about the utility of its codes; each is shown if any row has a value.
        rates: columns of the leaderboard about the speed of its models.
        card: the card that the report shows for each experiment; None for no card.
        tradeoffs: figures that compare its methods.
        tables: tables that compare its experiments.
    """

    name: str
    title: str
    data: tuple[str, ...] = ()
    columns: tuple[Utility, ...] = ()
    rates: tuple[Rate, ...] = ()
    card: Card | None = None
    tradeoffs: tuple[Tradeoff, ...] = ()
    tables: tuple[Comparison, ...] = ()


_known: dict[str, Family] = {}


def register(family: Family) -> None:
    """Register a family.

    Raises:
        ValueError: another family has its name, or takes the same data.
    """
    for other in _known.values():
        if other == family:
            return
        if other.name == family.name:
            raise ValueError(f"two families are called {family.name}")
        if both := set(other.data) & set(family.data):
            raise ValueError(f"the families {other.name} and {family.name} both take {', '.join(sorted(both))}")
    _known[family.name] = family


def family_of(config: Config) -> str:
    """Return the name of the family that an experiment belongs to.

    It is the name in the configuration or, if there is none, the family that takes the data. Data that no registered
    family takes gets a family named after its module.
    """
    if named := config["names"].get("family"):
        return str(named)
    target = str(config["data"]["_target_"])
    takers = (family.name for family in _known.values() if target in family.data)
    return next(takers, target.rpartition(".")[0].rpartition(".")[2])


def family_named(name: str) -> Family:
    """Return a family by name; one that is not registered has only a title."""
    return _known.get(name) or Family(name, name.capitalize())


def in_order(names: Iterable[str]) -> list[Family]:
    """Return the families of these names, each once: registered ones in their order, then the others by name."""
    wanted = set(names)
    known = [family for name, family in _known.items() if name in wanted]
    return known + [family_named(name) for name in sorted(wanted - _known.keys())]
