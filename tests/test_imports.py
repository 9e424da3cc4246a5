"""The directions of imports, read from the syntax trees: a file imports from its own layer or a lower one.

The one reason for layers: what is low can be read, tested and reused without what is high.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BENCH, LIBRARY, FAMILY, WORKFLOW, TOP = range(5)  # the layers
LIBRARIES = {"nets", "metrics", "corruptions", "training", "federated", "attack_methods", "text", "images"}
# Within a layer, high to low: folders, or files that lie beside them. Of the kernel, what is not named here is low.
HIGH_IN_BENCH = {"attack", "compatibility", "control_memory", "family", "report", "search", "stages", "tracking"}
FLOORS_OF_LIBRARIES = [
    {"training", "attack_methods"},
    {"federated", "text", "images"},
    {"nets", "metrics", "corruptions"},
]
FLOORS_OF_A_FAMILY = [
    {"family", "card", "table", "attack_tables", "training", "evaluations", "attacks", "flower"},
    {
        "encoder",
        "modules",
        "baselines",
        "data",
        "schemes",
        "wrapped",
        "files",
        "included",
        "store",
        "score_files",
        "local_round",
        "shadows",
        "shadow_pool",
        "shadow_rounds",
        "shadow_steps",
        "shared",
        "shadow_models",
    },
    {"nets", "losses", "regularisers"},
]
FRAMEWORKS = {"pytorch_lightning", "lightning", "hydra", "omegaconf", "mlflow"}
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")])


def dotted(path: Path) -> str:
    """The module's name that a file has."""
    relative = path.relative_to(ROOT).with_suffix("")
    parts = relative.parts[1:] if relative.parts[0] == "src" else relative.parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in FILES}


def layer(module: str) -> int:
    """The layer that a module is in; `veilbench` itself, which offers the calls for Python, is the highest."""
    match module.split("."):
        case ["veilbench", "version"] | ["veilbench", "bench", *_]:
            return BENCH
        case ["veilbench", name, *_] if name in LIBRARIES:
            return LIBRARY
        case ["veilbench", "families", *_]:
            return FAMILY
        case ["veilbench", "workflow", *_]:
            return WORKFLOW
        case ["pipelines", *_] | ["veilbench"] | ["veilbench", "cli", *_] | ["veilbench", "__main__"]:
            return TOP
    raise AssertionError(f"{module} is in no layer: it is neither kernel nor library nor of a family")


def house(module: str) -> str:
    """What has floors of its own: the kernel, all libraries together, each family; empty for what has none."""
    parts = module.split(".")
    if layer(module) == FAMILY:
        return ".".join(parts[:3]) if len(parts) > 2 else ""
    return (
        {BENCH: "bench", LIBRARY: "libraries"}.get(layer(module), "")
        if len(parts) > 2 or layer(module) == LIBRARY
        else ""
    )


def room(module: str) -> str:
    """The folder or file, directly in its house, that a module lies in."""
    parts = module.split(".")
    within = parts[{BENCH: 2, LIBRARY: 1, FAMILY: 3}[layer(module)] :]
    return within[0] if within else ""


def floor(module: str) -> int:
    """How high a module is in its house; 0 is the highest.

    Raises:
        LookupError: its room is on no floor.
    """
    if house(module) == "bench":
        return int(room(module) not in HIGH_IN_BENCH)
    floors = FLOORS_OF_LIBRARIES if house(module) == "libraries" else FLOORS_OF_A_FAMILY
    if not room(module):  # the package of a family, which offers names for plug-ins
        return 0
    for height, rooms in enumerate(floors):
        if room(module) in rooms:
            return height
    raise LookupError(f"{module}: {room(module)} is on no floor of {house(module)}")


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
    return [(module, name) for module in MODULES for name in sorted(imported(module)) if name in MODULES]


def packages(module: str) -> set[str]:
    """The first parts of the names that a module imports."""
    return {name.partition(".")[0] for name in imported(module)}


def modules_in(*rooms: str) -> list[str]:
    """Modules in folders, or files, of these names, wherever they lie."""
    return [module for module in MODULES if set(rooms) & set(module.split("."))]


def unordered(needs: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is left when everything was taken away, again and again, that needs nothing that is left: circles."""
    while ready := {name for name, needed in needs.items() if not needed & needs.keys()}:
        needs = {name: needed for name, needed in needs.items() if name not in ready}
    return needs


def test_the_imports_are_really_read() -> None:
    attacks = "veilbench.families.ciphers.attacks"
    assert ("veilbench.bench.stages", "veilbench.bench.experiment") in edges()
    assert ("veilbench.workflow.command", "veilbench.bench.stages") in edges()  # from veilbench.bench import stages
    assert (f"{attacks}.codebook_search", f"{attacks}.language") in edges()  # within a function
    assert len(edges()) > 100


def test_every_module_is_in_a_layer_and_every_room_on_a_floor() -> None:
    assert {layer(module) for module in MODULES} == {BENCH, LIBRARY, FAMILY, WORKFLOW, TOP}
    assert all(floor(module) >= 0 for module in MODULES if house(module))


def test_nothing_is_imported_from_a_higher_layer() -> None:
    """`pipelines`, `cli` -> workflow -> families -> libraries -> bench."""
    assert [(one, other) for one, other in edges() if layer(one) < layer(other)] == []


def test_no_family_imports_another() -> None:
    between = [(one, other) for one, other in edges() if layer(one) == layer(other) == FAMILY]
    assert len(between) > 100
    assert [(one, other) for one, other in between if house(one) != house(other)] == []


def test_nothing_is_imported_from_a_higher_floor_of_its_house() -> None:
    within = [(one, other) for one, other in edges() if house(one) and house(one) == house(other)]
    assert [(one, other) for one, other in within if floor(one) > floor(other)] == []


def test_libraries_need_each_other_in_one_direction_only() -> None:
    needs: dict[str, set[str]] = {name: set() for name in LIBRARIES}
    for one, other in edges():
        if layer(one) == layer(other) == LIBRARY and room(one) != room(other):
            needs[room(one)].add(room(other))
    assert any(needs.values())
    assert unordered(needs) == {}


def test_modules_import_each_other_only_to_derive_from_one() -> None:
    models, folder = modules_in("modules"), "veilbench.families.autoencoders.modules"
    assert len(models) > 4
    derived = [(f"{folder}.neighbour_autoencoder", f"{folder}.autoencoder")]
    assert [(one, other) for one, other in edges() if one in models and other in models] == derived


def test_nothing_is_imported_in_a_circle() -> None:
    needs: dict[str, set[str]] = {module: set() for module in MODULES}
    for one, other in edges():
        needs[one].add(other)
    assert unordered(needs) == {}


def test_circles_are_found() -> None:
    assert unordered({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}).keys() == {"a", "b", "c"}


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "helper", "common", "misc"])
def test_nothing_is_called_after_no_purpose(name: str) -> None:
    assert modules_in(name) == []


def test_nets_losses_and_metrics_know_no_framework() -> None:
    low = modules_in("nets", "losses", "metrics")
    assert len(low) > 3
    assert [(module, packages(module) & FRAMEWORKS) for module in low if packages(module) & FRAMEWORKS] == []


def test_hydra_and_omegaconf_appear_only_in_the_workflow() -> None:
    users = {module for module in MODULES if packages(module) & {"hydra", "omegaconf"}}
    assert users
    assert {layer(module) for module in users} == {WORKFLOW}


def test_mlflow_appears_only_in_the_tracking() -> None:
    users = [module for module in MODULES if "mlflow" in packages(module)]
    assert users
    assert [module for module in users if not module.startswith("veilbench.bench.tracking")] == []
