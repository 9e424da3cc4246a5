"""A protocol out of a file describes an aggregation, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.faulty import Fault, Faulty
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.protocol import Protocol, describe_aggregation


def test_the_aggregation_is_built_from_its_description() -> None:
    built = Protocol(describe_aggregation(Robust("krum"))).build_aggregation()
    assert isinstance(built, Robust)
    assert describe_aggregation(built) == describe_aggregation(Robust("krum"))


def test_a_wrapped_aggregation_is_described_with_all_its_parts() -> None:
    described = json.loads(json.dumps(describe_aggregation(Faulty(Robust("krum"), [Fault(2, "dies", turn=1)]))))
    built = Protocol(described).build_aggregation()
    assert isinstance(built, Faulty)
    assert isinstance(built.inner, Robust)
    assert built.inner.rule == "krum"
    assert built.faults == [Fault(2, "dies", turn=1)]


@pytest.mark.parametrize(
    ("aggregation", "said"),
    [
        ({"_target_": "os.getcwd"}, "only classes of veilbench may be named"),
        ({"_target_": "veilbench.bench.threat.ThreatModel"}, "ThreatModel is not an Aggregation"),
        ({"_target_": "veilbench.federated.aggregations.robust.Robust", "rule": "mode"}, "rule='mode' is not allowed"),
        ({"rule": "krum"}, "names nothing that can be imported"),
        ({}, "names nothing that can be imported"),
    ],
)
def test_anything_else_is_refused_before_it_is_imported(aggregation: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        Protocol(aggregation).build_aggregation()
    assert said in str(refused.value)
    assert "protocol.aggregation" in str(refused.value)
