"""Where code and configuration come from: veilbench itself, installed plug-ins, and the bench that one stands in.

A bench is a folder with `conf/` and with packages or modules of its own. A plug-in is an installed package that an
entry point of the group `veilbench` names; its `conf/` lies in the package. Nothing is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from veilbench.bench.errors import UserError

GROUP = "veilbench"
BENCH = "bench"
PACKAGE = Path(__file__).parents[1]
NO_CODE = {
    "conf",
    "tests",
    "test",
    "docs",
    "build",
    "dist",
    "setup",
    "conftest",
    "noxfile",
}  # names left out of a bench


@dataclass(frozen=True)
class Home:
    """A place that code and configuration come from.

    Attributes:
        name: "veilbench", the name of an entry point, or "bench".
        code: folder or file of each package and module, by its dotted name.
        conf: folder of configuration files; None if there is none.
    """

    name: str
    code: dict[str, Path] = field(default_factory=dict)
    conf: Path | None = None


def list_homes(folder: Path | None = None) -> tuple[Home, ...]:
    """Return all homes in the order in which configuration is searched: the bench, plug-ins by name, veilbench.

    Args:
        folder: folder of the bench; None for the current folder.

    Raises:
        UserError: an entry point names no installed package, or two homes have a package of the same name.
    """
    return _list_homes(folder.resolve() if folder else Path.cwd())  # the current folder's path has no links


@cache
def _list_homes(folder: Path) -> tuple[Home, ...]:
    own = Home("veilbench", {"veilbench": PACKAGE}, _own_conf())
    bench = _bench(folder)
    homes = (*([bench] if bench else []), *_plugins(), own)
    found: dict[str, Path] = {}
    for home in homes:
        for package, place in home.code.items():
            if found.setdefault(package, place).resolve() != place.resolve():  # a bench may be installed as a plug-in
                raise UserError(f"{package} is both {found[package]} and {place}: rename one")
    return homes


def forget_homes() -> None:
    """List them again at the next call: plug-ins were installed, or modules were added to the bench."""
    _list_homes.cache_clear()


def find_root(module: str) -> tuple[str, Path] | None:
    """Return the registered package or module that a dotted name lies in, with its folder or file; None if none."""
    for home in list_homes():
        for name, place in home.code.items():
            if module == name or module.startswith(f"{name}."):
                return name, place
    return None


def list_roots() -> list[str]:
    """Return the names of all registered packages and modules, veilbench first."""
    return [name for home in reversed(list_homes()) for name in home.code]


def make_importable(root: str) -> None:
    """Let the modules of the bench be imported; do nothing for installed packages.

    The bench comes last on `sys.path`, so that no file of it hides an installed package.

    Args:
        root: name of a registered package or module.

    Raises:
        UserError: an installed package hides the one of the bench.
    """
    place = next(home.code[root] for home in list_homes() if root in home.code)
    if place == PACKAGE:
        return
    parents = place.parents[root.count(".")]
    if str(parents) not in sys.path:
        sys.path.append(str(parents))
    spec = find_spec(root)
    seen = [Path(one).resolve() for one in (spec.submodule_search_locations or [spec.origin or ""])] if spec else []
    if place.resolve() not in seen:
        raise UserError(f"{place} is hidden by the installed {root} in {', '.join(map(str, seen))}: rename it")


def _own_conf() -> Path:
    """Return veilbench's configuration: inside an installed wheel, beside `src` in a checkout."""
    packed = PACKAGE / "conf"
    return packed if packed.is_dir() else PACKAGE.parents[1] / "conf"


def _bench(folder: Path) -> Home | None:
    """Return the bench of a folder; None without `conf/`, or if it is veilbench's own checkout."""
    conf = folder / "conf"
    if not conf.is_dir() or conf == _own_conf().resolve():
        return None
    house = (folder / "src" / "veilbench").is_dir()
    return Home(BENCH, {} if house else dict(_find_code(folder)), conf)


def _find_code(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(path for base in (folder, folder / "src") for path in base.glob("*")):
        name = path.stem if path.suffix == ".py" else path.name
        is_code = path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
        if is_code and name.isidentifier() and name not in NO_CODE:
            yield name, path


def _plugins() -> Iterator[Home]:
    points = {(point.name, point.value) for point in entry_points(group=GROUP)}
    for name, package in sorted(points):
        try:
            spec = find_spec(package)
        except ImportError:
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"the entry point {name} = {package} of the group {GROUP} names no installed package")
        place = Path(next(iter(spec.submodule_search_locations)))
        conf = place / "conf"
        yield Home(name, {package: place}, conf if conf.is_dir() else None)
