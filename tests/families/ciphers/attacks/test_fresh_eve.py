"""Fresh Eves: they read plain bits, learn nothing from a one-time pad, and see blocks only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import Verdict
from veilbench.families.ciphers.attacks.eve import FreshBlocks, SealedBlocks, examine_eves
from veilbench.families.ciphers.attacks.eve_training import EveTraining
from veilbench.families.ciphers.attacks.fresh_eve import FreshEve
from veilbench.families.ciphers.baselines.one_time_pad import OneTimePad
from veilbench.families.ciphers.baselines.plaintext import Plaintext
from veilbench.families.ciphers.baselines.substitution import Substitution

Examine = Callable[..., Findings]
BUDGET = EveTraining(eves=3, hidden=32, batch_size=64, test_blocks=1000, bits=8)


def small(threat: ThreatModel | None = None) -> FreshEve:
    threat = threat or ThreatModel(own_keys=True)
    return FreshEve(threat, Plaintext(), OneTimePad(), [150, 75], BUDGET)


class OnlyBlocks:
    """A scheme of which nothing but sealed blocks can be had."""

    def __init__(self) -> None:
        self.nonces: list[np.ndarray] = []

    def encrypt_blocks(self, plain: np.ndarray, keys: np.ndarray, nonces: np.ndarray) -> np.ndarray:
        """The bits added to the nonce, which Eve sees."""
        self.nonces.append(nonces)
        return 2 * (plain ^ nonces).astype(np.float32) - 1


@pytest.fixture(scope="module")
def against_plain(examine: Examine) -> Findings:
    return examine(small(), Plaintext())


def test_plain_bits_are_read_with_both_controls_passed(against_plain: Findings) -> None:
    assert [(c.kind, c.name, c.passed) for c in against_plain.controls] == [
        ("positive", "Plaintext", True),
        ("negative", "OneTimePad", True),
    ]
    assert against_plain.verdict is Verdict.BROKEN
    assert against_plain.metrics["bits_recovered_of_8_after_150"].value == pytest.approx(8, abs=0.05)
    assert list(against_plain.figures[0].curves[0].x) == [75, 150]


def test_a_one_time_pad_holds(examine: Examine) -> None:
    found = examine(small(), OneTimePad())
    assert found.verdict is Verdict.HOLDS
    assert found.metrics["bits_recovered_of_8_after_150"].value == pytest.approx(4, abs=0.2)
    assert found.gain is not None
    assert abs(found.gain.value) < 0.05


def test_the_same_seed_gives_the_same_findings(examine: Examine, against_plain: Findings) -> None:
    assert examine(small(), Plaintext()).as_dict() == against_plain.as_dict()


def test_eves_of_one_size_are_examined_each_on_its_own(accelerator: Accelerator) -> None:
    tested = examine_eves(OneTimePad(), BUDGET, [10, 25], accelerator, np.random.default_rng(0))
    assert [(steps, shares.shape) for steps, shares in tested.items()] == [(10, (1000,)), (25, (1000,))]
    for shares in tested.values():
        assert shares.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(8000))


def test_an_eve_sees_the_nonce_and_needs_no_more_than_blocks(accelerator: Accelerator) -> None:
    scheme: Any = OnlyBlocks()
    tested = examine_eves(scheme, BUDGET, [600], accelerator, np.random.default_rng(0))
    assert tested[600].mean() > 0.8  # without the nonce it would be one half
    assert len({batch.tobytes() for batch in scheme.nonces}) == len(scheme.nonces)


def test_sealed_blocks_are_ciphertext_nonce_and_plain_bits() -> None:
    scheme: Any = OnlyBlocks()
    first, second = islice(SealedBlocks(scheme, BUDGET, 50, 100, 7), 2)
    assert first.shape == (3, 50 * 25, 24)
    sealed, nonce, plain = first.numpy().astype(int).reshape(-1, 3, 8).transpose(1, 0, 2)
    assert set(np.unique(sealed)) == set(np.unique(nonce)) == {-1, 1}
    assert set(np.unique(plain)) == {0, 1}
    np.testing.assert_array_equal(nonce > 0, scheme.nonces[0] == 1)
    np.testing.assert_array_equal((sealed > 0) ^ (nonce > 0), plain == 1)
    assert not torch.equal(first, second)
    assert torch.equal(first, next(iter(SealedBlocks(scheme, BUDGET, 50, 100, 7))))


def test_training_goes_on_where_it_stopped(accelerator: Accelerator) -> None:
    tested = examine_eves(Plaintext(), BUDGET, [5, 10, 20, 40, 80, 160], accelerator, np.random.default_rng(0))
    means = [shares.mean() for shares in tested.values()]
    assert means[-1] > 0.99
    assert means[0] < 0.9
    assert means == sorted(means)


def test_the_best_eve_is_chosen_on_other_blocks() -> None:
    """An Eve that is only right on the second half is not the best, because the first half chooses."""
    blocks = FreshBlocks(OneTimePad(), replace(BUDGET, eves=2), 0)
    half = BUDGET.test_blocks
    truth = blocks.plain[0].float() * 2 - 1
    lucky, sound = truth.clone(), truth.clone()
    lucky[:half], sound[half:] = -lucky[:half], -sound[half:]

    class Two:
        nets = (0, 1)

        def __call__(self, seen: torch.Tensor) -> torch.Tensor:
            return torch.stack([lucky, sound])

    shares = blocks.measure(Two())  # type: ignore[arg-type]
    assert shares.shape == (half,)
    assert shares.mean() == 0


def test_keys_of_ones_own_have_to_be_granted(examine: Examine) -> None:
    with pytest.raises(UserError, match="does not grant own_keys"):
        examine(small(ThreatModel()), Plaintext())


def test_a_scheme_without_blocks_is_none_for_this(examine: Examine) -> None:
    with pytest.raises(NotImplementedError, match="does not encrypt blocks of bits"):
        examine(small(), Substitution([16]))


@pytest.mark.parametrize("steps", [1, 24, 25, 26, 60])
def test_there_is_a_batch_of_rows_for_each_step(steps: int) -> None:
    scheme: Any = OnlyBlocks()
    sizes = [batch.shape[1] for batch in SealedBlocks(scheme, BUDGET, 10, steps, 7)]
    assert sum(sizes) == 10 * steps
    assert all(size == 250 for size in sizes[:-1]), "25 steps at once"
