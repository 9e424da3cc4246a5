"""Threat models: what is granted by default, what is refused, and the error message."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.threat import ThreatModel

FLAGS = [field.name for field in fields(ThreatModel)]
NOTHING = ThreatModel(**dict.fromkeys(FLAGS, False))


def test_only_what_is_public_is_granted_by_default() -> None:
    assert ThreatModel().granted() == ["ciphertext", "public_ids"]


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_grants_itself_and_nothing_else(flag: str) -> None:
    threat = replace(NOTHING, **{flag: True})
    threat.require(flag)
    assert threat.granted() == [flag]
    for other in set(FLAGS) - {flag}:
        with pytest.raises(UserError, match=f"does not grant {other}; it grants: {flag}$"):
            threat.require(other)


def test_granted_flags_come_in_their_order_of_definition() -> None:
    assert ThreatModel(**dict.fromkeys(reversed(FLAGS), True)).granted() == FLAGS


def test_a_flag_that_does_not_exist_is_no_flag() -> None:
    with pytest.raises(KeyError):
        ThreatModel().require("plaintext")


def test_a_threat_model_cannot_be_widened_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        ThreatModel().key = True  # type: ignore[misc]


def test_several_flags_are_required_at_once() -> None:
    threat = ThreatModel(key=True)
    threat.require("ciphertext", "key")
    with pytest.raises(UserError, match="does not grant weights"):
        threat.require("key", "weights")
