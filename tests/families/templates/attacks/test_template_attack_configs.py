"""The configs of the attacks on templates say what their constructors say."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, is_dataclass
from typing import Any

import pytest

from veilbench.bench.experiment import build
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.workflow.compose import composed, plain

NAMES = ["inversion", "impersonation", "oracle", "stolen_key", "attribute", "linkage", "feature_inversion"]
VARIANTS = {
    "inversion_known_key": {"threat", "negative"},
    "impersonation_l2": {"perturbations"},
    "impersonation_unknown_key": {"threat"},
    "oracle_decisions": {"threat", "answers"},
    "attribute_known_key": {"threat"},
    "linkage_reused_key": {"reuse"},
    "linkage_known_key": {"threat", "positive", "negative"},
}


def node_of(name: str) -> dict[str, Any]:
    """One attack's part of a config that was composed and checked."""
    return dict(
        plain(composed(["data=prints_small", "model=biohash", "training=none", f"attack=[{name}]"]))["attack"][name]
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_written_out_with_its_default(name: str) -> None:
    node = node_of(f"template_{name}")
    attack = build(node)
    folder, module = type(attack).__module__.split(".")[-2:]
    assert (folder, module.removeprefix("template_")) == ("attacks", name)
    assert isinstance(attack.positive, TemplateScheme)
    parameters = inspect.signature(type(attack)).parameters
    assert node.keys() - {"_target_"} == parameters.keys()
    for key in parameters.keys() - {"threat", "positive", "negative"}:
        assert plain_of(build(node[key])) == plain_of(parameters[key].default)
        if isinstance(node[key], dict):
            assert node[key].keys() - {"_target_"} == inspect.signature(type(parameters[key].default)).parameters.keys()


def plain_of(value: Any) -> Any:
    """The settings of a dataclass, and lists for tuples."""
    return json.loads(json.dumps(asdict(value) if is_dataclass(value) and not isinstance(value, type) else value))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_where_it_must(name: str) -> None:
    variant = node_of(f"template_{name}")
    base = node_of(f"template_{next(base for base in NAMES if name.startswith(base))}")
    assert {key for key in base.keys() | variant.keys() if base[key] != variant[key]} == VARIANTS[name]
    build(variant)
