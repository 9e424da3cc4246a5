"""Lists what can be chosen: models, data, attacks and experiments, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from veilbench.bench.errors import UserError, list_known
from veilbench.bench.homes import PACKAGE
from veilbench.bench.sources import find_imports, find_reached, find_targets, module_file
from veilbench.workflow.conf import find_file, origins

GROUPS = {
    "models": "model",
    "data": "data",
    "trainings": "training",
    "evaluations": "evaluation",
    "attacks": "attack",
    "experiments": "experiment",
}
FAMILIES = ("ciphers", "autoencoders", "templates", "mail")


def main(arguments: list[str]) -> None:
    """Print a line for each choice; see `veilbench list --help`.

    Args:
        arguments: a kind of choices, such as "models", or nothing for all; `--family NAME` for one family.

    Raises:
        UserError: the kind or the family is unknown.
    """
    family = _take_family(arguments)
    if len(arguments) > 1 or (arguments and arguments[0] not in GROUPS):
        raise UserError(f"{' '.join(arguments)} is not allowed{list_known(arguments[0], GROUPS)}")
    for kind in arguments or GROUPS:
        rows = [row for row in list_choices(GROUPS[kind]) if family is None or row[1] == family]
        width = max((len(name) for name, _, _ in rows), default=0)
        if rows and not arguments:
            print(f"{kind}:")
        for name, of, origin in rows:
            print(f"{'' if arguments else '  '}{name:<{width}}  {of:<12}  {origin}")


def _take_family(arguments: list[str]) -> str | None:
    """Remove `--family NAME` from the arguments, and return the name."""
    if "--family" not in arguments:
        return None
    at = arguments.index("--family")
    if at + 1 == len(arguments):
        raise UserError(f"--family needs a name: {', '.join(FAMILIES)}, or that of a plug-in")
    _, family = arguments[at], arguments[at + 1]
    del arguments[at : at + 2]
    return family


def list_choices(group: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, family and origin of each choice of a group, sorted by family and name.

    The family is that of the first class in the file, or of what its defaults list chooses; for classes of a bench or a
    plug-in, that of the family from which their module imports, else the name of their package. It is empty for what
    serves all families.
    """
    rows = [(name, find_family(group, name), origin) for name, origin in origins(group).items()]
    yield from sorted(rows, key=lambda row: (row[1], row[0]))


def find_family(group: str, name: str, depth: int = 0) -> str:
    """Return the family that a choice belongs to, see `list_choices`.

    Args:
        group: config group, such as "model".
        name: name of a file of the group.
        depth: number of files that led here.
    """
    path = find_file(f"{group}/{name}.yaml")
    if path is None or depth > 8:
        return ""
    content = _read(path)
    for target in find_targets(content):
        parts = target.split(".")
        if parts[:2] == ["veilbench", "families"]:
            return parts[2]
        if parts[0] != "veilbench":
            return _find_imported_family(target.rpartition(".")[0]) or parts[0]
    for of, chosen in _defaults(group, content):
        if found := find_family(of, chosen, depth + 1):
            return found
    return ""


def _find_imported_family(module: str) -> str:
    """Return the family from which a module of a bench or a plug-in imports, itself or by others; empty if none."""
    if (file := module_file(module)) is None:
        return ""
    try:
        near, far = find_imports(file), find_reached([file])
    except (OSError, ValueError, SyntaxError):
        return ""
    families = PACKAGE / "families"
    for found in (near, far):
        names = {path.relative_to(families).parts[0] for path in found if path.is_relative_to(families)}
        if known := [name for name in FAMILIES if name in names]:
            return known[0]
    return ""


def _defaults(group: str, content: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield group and name of each entry of a file's defaults list, the models and data before the rest."""
    defaults = content.get("defaults")
    pairs = []
    for entry in defaults if isinstance(defaults, list) else []:
        if isinstance(entry, str):
            pairs.append((group, entry.partition("@")[0]))
        elif isinstance(entry, dict):
            for key, value in entry.items():
                if isinstance(value, str):
                    pairs.append((str(key).removeprefix("override").strip().strip("/"), value))
    return iter(sorted(pairs, key=lambda pair: pair[0] not in ("model", "data")))


def _read(path: Path) -> dict[str, object]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}
