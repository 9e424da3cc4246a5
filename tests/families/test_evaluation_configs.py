"""The configs of the evaluations of rows say what their constructors say."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build
from veilbench.families.autoencoders.schemes.base import Detector, Restorer
from veilbench.workflow.compose import composed, plain

NAMES = ["reconstruction", "probe", "restoration", "anomaly", "recommendation"]


def node_of(name: str, *more: str) -> dict[str, Any]:
    """One evaluation's part of a config that was composed and checked."""
    words = ["data=digits", "model=undercomplete", "training=rows", f"evaluation=[{name}]", *more]
    return dict(plain(composed(words))["evaluation"][name])


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_is_written_out_with_its_default(name: str) -> None:
    node = node_of(name)
    kind = type(build(node))
    assert kind.__module__.split(".")[-2:] == ["evaluations", name]
    parameters = inspect.signature(kind).parameters
    assert node.keys() - {"_target_"} == parameters.keys()
    for key, parameter in parameters.items():
        if key not in ("baselines", "corruption"):
            assert node[key] == parameter.default


def test_the_baselines_are_told_the_noise_that_there_is() -> None:
    built = build(node_of("restoration", "evaluation.restoration.corruption.sigma=0.3"))
    assert [baseline.sigma for baseline in built.baselines] == [0.3] * 5
    assert all(isinstance(baseline, Restorer) for baseline in built.baselines)
    assert all(isinstance(baseline, Detector) for baseline in build(node_of("anomaly")).baselines)


@pytest.mark.parametrize(
    ("name", "override", "said"),
    [
        ("probe", "picture=umap", "evaluation.probe.picture='umap' is not allowed"),
        ("anomaly", "quantile=1.0", "quantile=1.0 must be between 0 and 1"),
        ("recommendation", "k=0", "evaluation.recommendation.k=0 is not allowed"),
        ("restoration", "corruption.sigma=-1", "sigma=-1"),
        ("reconstruction", "images=1", "evaluation.reconstruction.images=1 is not allowed"),
    ],
)
def test_a_bad_value_is_named(name: str, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        node_of(name, f"evaluation.{name}.{override}")
