"""What a configuration leaves out is filled in from the signatures."""

from __future__ import annotations

import inspect

import pytest

from veilbench.bench.defaults import describe, fill, settings
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build, check
from veilbench.bench.threat import ThreatModel
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.modules.cipher_pair import CipherPair

PAIR = f"{CipherPair.__module__}.CipherPair"
THREAT = f"{ThreatModel.__module__}.ThreatModel"


def test_every_argument_stands_in_the_filled_node_with_its_default() -> None:
    filled = fill({"model": {"_target_": PAIR, "code_bits": 24}})["model"]
    parameters = inspect.signature(CipherPair).parameters
    assert list(filled) == ["_target_", *parameters]
    assert filled["code_bits"] == 24
    assert filled["margin"] == parameters["margin"].default
    assert filled["encrypter"] == list(parameters["encrypter"].default)
    check(filled, "model")


def test_filling_twice_changes_nothing_and_leaves_the_input_alone() -> None:
    node = {"a": [{"_target_": THREAT, "weights": True}], "b": 3}
    before = {"a": [{"_target_": THREAT, "weights": True}], "b": 3}
    once = fill(node)
    assert node == before
    assert fill(once) == once
    assert build(once["a"][0]) == ThreatModel(weights=True)


def test_an_unknown_key_is_kept_for_the_check_to_refuse() -> None:
    filled = fill({"_target_": PAIR, "code_bitz": 24}, "model")
    assert filled["code_bitz"] == 24
    with pytest.raises(UserError, match=r"unknown key model\.code_bitz=24.*did you mean model\.code_bits"):
        check(filled, "model")


def test_a_class_of_another_package_is_refused_with_its_place() -> None:
    with pytest.raises(UserError, match=r"model\.net\._target_=os\.getcwd names nothing"):
        fill({"model": {"net": {"_target_": "os.getcwd"}}})


def test_settings_without_a_target_change_the_default_or_the_only_dataclass_that_the_argument_takes() -> None:
    assert settings(ThreatModel(key=True), ThreatModel) == describe(ThreatModel(key=True))
    for annotation in (ThreatModel, ThreatModel | None):
        assert settings(None, annotation) == {"_target_": THREAT}
    assert settings(None, ThreatModel | int) is None
    assert settings(None, Substitution) is None
    changed = build(fill({"weights": True}, instead=settings(ThreatModel(key=True), ThreatModel)))
    assert changed == ThreatModel(key=True, weights=True)


def test_a_default_instance_is_described_by_its_class_and_fields() -> None:
    described = describe(ThreatModel(key=True))
    assert described["_target_"] == THREAT
    assert build(described) == ThreatModel(key=True)
    assert describe((1, (2.5, None))) == [1, [2.5, None]]
    with pytest.raises(TypeError, match="no plain form"):
        describe(object())
