"""The directions of imports, read from the syntax trees: a file imports from its own floor or a lower one.

The one reason for floors: what is low can be read, tested and reused without what is high.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = [
    {"pipelines"},
    {"cli"},
    {"families"},
    {"training", "evaluations", "attacks", "report", "family", "tracking", "search", "stages", "compatibility"},
    {"modules", "baselines", "data", "ciphers", "representations", "templates", "store", "mail", "federated"},
    {"nets", "losses", "metrics", "regularisers", "corruptions"},
    {"threat", "findings", "subject", "sources", "errors", "lifeline", "masking", "csv_cells", "beside", "folders"}
    | {"accelerator", "checked_arrays", "limits", "contracts", "experiment", "provenance", "roots", "yaml_file"},
]
HEIGHT = {part: -index for index, floor in enumerate(FLOORS) for part in floor}
FRAMEWORKS = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "mlflow"}
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")])


def dotted(path: Path) -> str:
    """The module's name that a file has."""
    relative = path.relative_to(ROOT).with_suffix("")
    parts = relative.parts[1:] if relative.parts[0] == "src" else relative.parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in FILES}


def part_of(module: str) -> str:
    """The package or file directly under `veilbench`, or `pipelines`; empty for `veilbench` itself."""
    first, _, rest = module.partition(".")
    return first if first != "veilbench" else rest.partition(".")[0]


@cache
def imported(module: str) -> frozenset[str]:
    """Everything that a module imports, at any depth of its code, as the longest names that are modules."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} has a relative import, which this test does not follow"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            below = inner & MODULES.keys()
            names |= below | ({str(node.module)} if inner - below else set())
    return frozenset(names)


def edges() -> list[tuple[str, str]]:
    """Pairs of an importing and an imported module, both of this project."""
    return [(module, name) for module in MODULES for name in sorted(imported(module)) if part_of(name) in HEIGHT]


def packages(module: str) -> set[str]:
    """The first parts of the names that a module imports."""
    return {name.partition(".")[0] for name in imported(module)}


def modules_of(*parts: str) -> list[str]:
    return [module for module in MODULES if part_of(module) in parts]


def test_the_imports_are_really_read() -> None:
    assert ("veilbench.stages", "veilbench.experiment") in edges()
    assert ("pipelines.attack", "veilbench.stages") in edges()  # from veilbench import stages
    assert ("veilbench.attacks.frequency", "veilbench.attacks.language") in edges()  # within a function
    assert len(edges()) > 100


def test_every_part_of_the_project_has_a_floor() -> None:
    parts = {part_of(module) for module in MODULES} - {""}
    assert parts - HEIGHT.keys() == set()


def test_no_file_imports_from_a_higher_floor() -> None:
    upward = {(one, other) for one, other in edges() if HEIGHT[part_of(one)] < HEIGHT[part_of(other)]}
    assert upward == set()


def test_modules_never_import_each_other() -> None:
    models = modules_of("modules")
    assert [(one, other) for one, other in edges() if one in models and other in models] == []


def test_nothing_is_imported_in_a_circle() -> None:
    waiting = {one: {other for first, other in edges() if first == one} & MODULES.keys() for one in MODULES}
    while ready := {module for module, needs in waiting.items() if not needs}:
        waiting = {module: needs - ready for module, needs in waiting.items() if module not in ready}
    assert waiting == {}


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "helper", "common", "misc"])
def test_nothing_is_called_after_no_purpose(name: str) -> None:
    assert [module for module in MODULES if name in module.split(".")] == []


def test_nets_losses_and_metrics_know_no_framework() -> None:
    low = modules_of("nets", "losses", "metrics")
    assert len(low) > 3
    assert [(module, packages(module) & FRAMEWORKS) for module in low if packages(module) & FRAMEWORKS] == []


def test_hydra_and_omegaconf_appear_only_in_the_pipelines() -> None:
    users = {module for module in MODULES if packages(module) & {"hydra", "omegaconf"}}
    assert users
    assert {part_of(module) for module in users} == {"pipelines"}


def test_mlflow_appears_only_in_the_tracking() -> None:
    users = {module for module in MODULES if "mlflow" in packages(module)}
    assert users
    assert {part_of(module) for module in users} == {"tracking"}
