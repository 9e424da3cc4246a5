"""Families of models, as the report knows them. The kernel names none: each family registers itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from veilbench.bench.experiment import Config
from veilbench.bench.report.specs import Card, Comparison, Rate, Tradeoff, Utility


@dataclass(frozen=True)
class Family:
    """Models of one kind, and what the report shows of them.

    Attributes:
        name: as in records and in `veilbench.families`.
        title: as the page writes it.
        data: `_target_`s of the data sets that its models take.
        columns: of the leaderboard, what its codes are good for; each appears where a row has it.
        rates: of the leaderboard, how fast its models are.
        card: what is said about each experiment, in order.
        tradeoffs: figures that compare its methods.
        tables: that compare its experiments.
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
    """Make a family known.

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
    """The name of the family that an experiment belongs to.

    It is what the configuration says, else the family that takes the data. Data of no known family make one of their
    own, called after their module.
    """
    if named := config["names"].get("family"):
        return str(named)
    target = str(config["data"]["_target_"])
    takers = (family.name for family in _known.values() if target in family.data)
    return next(takers, target.rpartition(".")[0].rpartition(".")[2])


def family_named(name: str) -> Family:
    """A family; one that is not known has a title and nothing else."""
    return _known.get(name) or Family(name, name.capitalize())


def in_order(names: Iterable[str]) -> list[Family]:
    """The families of these names, each once: the known ones as they were registered, then the others by name."""
    wanted = set(names)
    known = [family for name, family in _known.items() if name in wanted]
    return known + [family_named(name) for name in sorted(wanted - _known.keys())]
