"""Avalanche: both controls, known shares, and what the attack has to be granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks.key_sensitivity import KeySensitivity
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.ciphers.baselines.aes_gcm import AesGcm
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.substitution import Substitution
from veilbench.families.ciphers.data.text import Texts

Examine = Callable[..., Findings]
THREAT = ThreatModel(key=True, own_keys=True)


def small(controls: dict[str, Any], threat: ThreatModel = THREAT, **settings: Any) -> KeySensitivity:
    return KeySensitivity(threat, **controls, **{"trials": 64, "length": 100} | settings)


def test_a_code_book_is_broken_with_both_controls_passed(examine: Examine, controls: dict[str, Any]) -> None:
    found = examine(small(controls), Substitution([40, 24], seed=9))
    assert [(c.kind, c.passed) for c in found.controls] == [("positive", True), ("negative", True)]
    assert found.verdict is Verdict.BROKEN
    assert found.metrics["key_avalanche"].value < 0.02
    assert found.metrics["plaintext_avalanche"].value < 0.02


@pytest.mark.parametrize("kind", [AesCtr, AesGcm])
def test_aes_mixes_its_key(examine: Examine, controls: dict[str, Any], kind: type) -> None:
    found = examine(small(controls), kind())
    assert found.verdict is Verdict.HOLDS
    assert found.metrics["key_avalanche"].value == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(64 * 800))
    assert found.metrics["plaintext_avalanche"].value == pytest.approx(1 / 800)  # a stream: one bit moves one


def test_one_bit_moves_one_bit_of_a_code_that_is_in_the_message(controls: dict[str, Any], texts: Texts) -> None:
    attack, cipher = small(controls), Substitution([16])
    message = np.arange(91, dtype=np.uint8)
    for seed in range(20):
        flipped = cipher.with_key_bit_flipped(np.random.default_rng(seed))
        assert attack._compare(cipher, flipped, message, message, seed) == pytest.approx(1 / (91 * 16))
    assert attack._compare(cipher, cipher, message, message, 0) == 0


def test_nonce_and_members_are_kept(controls: dict[str, Any]) -> None:
    message = np.full(200, 7, np.uint8)
    for cipher in (Substitution([32] * 4), AesCtr(), AesGcm()):
        assert small(controls)._compare(cipher, cipher, message, message, 3) == 0


def test_the_gain_is_one_less_twice_the_share(examine: Examine, controls: dict[str, Any]) -> None:
    found = examine(small(controls), AesCtr())
    assert found.gain is not None
    assert found.gain.value == pytest.approx(1 - 2 * found.metrics["key_avalanche"].value)
    assert found.gain.low < found.gain.value < found.gain.high


def test_the_same_seed_gives_the_same_findings(examine: Examine, controls: dict[str, Any]) -> None:
    one, again, other = (examine(small(controls), AesCtr(), seed).as_dict() for seed in (1, 1, 2))
    assert one == again != other


def test_a_scheme_without_bits_of_key_is_none_for_this(examine: Examine, controls: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError, match="by design"):
        examine(small(controls), OneTimePad())


def test_the_key_has_to_be_granted(examine: Examine, controls: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="does not grant key"):
        examine(small(controls, ThreatModel()), Substitution([16]))
