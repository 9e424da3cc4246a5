"""The configuration files of all homes: of the bench, of plug-ins and of veilbench, in this order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.homes import BENCH, Home, list_homes


def conf_folders() -> list[Path]:
    """Return the folders in which Hydra searches for a file, first to last.

    A bench may replace any file; plug-ins may only add files.

    Raises:
        UserError: two plug-ins, or a plug-in and veilbench, have a file of the same name.
    """
    homes = [home for home in list_homes() if home.conf]
    if sum(home.name != BENCH for home in homes) > 1:
        _refuse_same_names([home for home in homes if home.name != BENCH])
    return [home.conf for home in homes if home.conf]


def _refuse_same_names(homes: list[Home]) -> None:
    seen: dict[Path, str] = {}
    for home in homes:
        for name in _files(home):
            if name in seen:
                raise UserError(f"conf/{name} is in {seen[name]} and in {home.name}: uninstall one, or rename its file")
            seen[name] = home.name


def _files(home: Home) -> Iterator[Path]:
    assert home.conf is not None
    for path in home.conf.rglob("*.yaml"):
        yield path.relative_to(home.conf)


def find_file(name: str) -> Path | None:
    """Return the first file of a name relative to conf/, such as "model/pca.yaml"; None if there is none."""
    return next((path for folder in conf_folders() if (path := folder / name).is_file()), None)


def is_group(name: str) -> bool:
    """Whether a folder of conf/ has this name."""
    return any((folder / name).is_dir() for folder in conf_folders())


def choices(group: str) -> list[str]:
    """Return the choices of a config group; empty if there is no such group."""
    return sorted({path.stem for folder in conf_folders() for path in (folder / group).glob("*.yaml")})


def origins(group: str) -> dict[str, str]:
    """Return the choices of a group, each with the name of the home that its file comes from."""
    found: dict[str, str] = {}
    for home in list_homes():
        for path in sorted((home.conf / group).glob("*.yaml")) if home.conf else []:
            found.setdefault(path.stem, home.name)
    return dict(sorted(found.items()))
