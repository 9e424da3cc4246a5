"""Alice, Bob and Eve: the paper's losses by hand, turns that leave the other side alone, and a short training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Curve
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.modules.cipher_keyed import CipherKeyed
from veilbench.families.ciphers.schemes.keyed import KeyedCipher
from veilbench.training.central import Central

torch.set_num_threads(1)  # as in the bench: nets this small are fastest with one
NOTHING = np.empty(0, np.uint8)
TEXTS = Texts(NOTHING, NOTHING, NOTHING, NOTHING)


def started(seed: int = 0, **settings: Any) -> CipherKeyed:
    module = CipherKeyed(**{"bits": 8} | settings)
    module.start(TEXTS, np.random.SeedSequence(seed))
    module.on_fit_start()
    return module


def blocks(rows: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (rows, 8), generator=generator).float() * 2 - 1


def replayed(module: CipherKeyed, plain: Tensor) -> tuple[Tensor, Tensor]:
    """Key and nonce that the module draws next, without moving its generator."""
    state = module.generator.get_state()
    drawn = [torch.randint(0, 2, plain.shape, generator=module.generator).float() * 2 - 1 for _ in range(2)]
    module.generator.set_state(state)
    return drawn[0], drawn[1]


def weights(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def moved(before: list[Tensor], network: nn.Module) -> list[bool]:
    return [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]


class Turns:
    """What `training_step` needs of Lightning: its optimizers, and a look at the weights after each of their steps."""

    def __init__(self, module: CipherKeyed, monkeypatch: pytest.MonkeyPatch) -> None:
        self.losses: list[float] = []
        self.steps: list[tuple[str, list[bool], list[bool]]] = []
        self.optimizers = module.configure_optimizers()
        for name, optimizer in zip(("ours", "hers"), self.optimizers, strict=True):
            monkeypatch.setattr(optimizer, "step", self._watched(module, name, optimizer.step))
        monkeypatch.setattr(module, "optimizers", lambda **settings: self.optimizers)
        monkeypatch.setattr(module, "manual_backward", self._backward)
        module._trainer = type("NoTrainer", (), {"should_stop": False})()

    def _backward(self, loss: Tensor) -> None:
        self.losses.append(loss.item())
        loss.backward()

    def _watched(self, module: CipherKeyed, name: str, step: Any) -> Any:
        def watched() -> None:
            ours, hers = weights(module.net), weights(module.eve)
            step()
            self.steps.append((name, moved(ours, module.net), moved(hers, module.eve)))

        return watched


def test_the_errors_are_the_papers_distances_over_the_bits() -> None:
    module, plain = started(), blocks(50)
    key, nonce = replayed(module, plain)
    sealed = module.net.alice(torch.cat([plain, key, nonce], 1))
    opened = module.net.bob(torch.cat([sealed, key, nonce], 1))
    guessed = module.eve(torch.cat([sealed, nonce], 1))
    wanted = []
    for answer in (opened, guessed):
        distance = sum(abs(p - a) for p, a in zip(plain.ravel().tolist(), answer.ravel().tolist(), strict=True))
        wanted.append(distance / 2 / 8 / 50)  # bits wrong of one block, as a share, averaged
    assert [error.item() for error in module.compute_errors(plain)] == pytest.approx(wanted, rel=1e-5)


def test_alice_and_bob_minimise_bobs_errors_and_keep_eve_at_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    module, plain = started(eve_steps=1), blocks(50)
    state = module.generator.get_state()
    bob, eve = (error.item() for error in module.compute_errors(plain))
    module.generator.set_state(state)
    turns = Turns(module, monkeypatch)
    module.training_step(plain[None])
    bits = 8
    wrong = eve * bits  # the paper counts bits: (N/2 - L_E)^2 / (N/2)^2, beside L_B / N
    assert turns.losses[0] == pytest.approx(bob + (bits / 2 - wrong) ** 2 / (bits / 2) ** 2, rel=1e-5)


def test_each_side_moves_its_own_weights_and_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = started(eve_steps=2)
    turns = Turns(module, monkeypatch)
    module.training_step(torch.stack([blocks(64), blocks(64, 4)]))
    assert [name for name, _, _ in turns.steps] == ["ours", "hers", "hers"] * 2
    for name, ours, hers in turns.steps:
        assert all(ours) if name == "ours" else not any(ours)
        assert not any(hers) if name == "ours" else all(hers)


def test_eves_loss_is_her_share_of_wrong_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    module, like = started(), blocks(50)
    state = module.generator.get_state()
    plain, key, nonce = (torch.randint(0, 2, like.shape, generator=module.generator).float() * 2 - 1 for _ in range(3))
    module.generator.set_state(state)
    turns = Turns(module, monkeypatch)
    with torch.no_grad():
        sealed = module.net.seal(plain, key, nonce)
        wanted = (module.eve(torch.cat([sealed, nonce], 1)) - plain).abs().mean().item() / 2
    module._train_eve(like, turns.optimizers[1])
    assert turns.losses == pytest.approx([wanted], rel=1e-5)
    assert all(parameter.grad is None for parameter in module.net.parameters())


def test_eve_learns_from_an_open_cipher() -> None:
    module = started(eve_steps=1)
    with torch.no_grad():  # Alice sends the bits as they are
        module.net.seal = lambda plain, key, nonce: plain  # type: ignore[method-assign]
    optimizer = torch.optim.Adam(module.eve.parameters(), 0.03)
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    before = module.measure_wrong_bits(blocks(2000))[1]
    for _ in range(150):
        module._train_eve(blocks(128), optimizer)
    assert before > 0.3
    assert module.measure_wrong_bits(blocks(2000))[1] < 0.1


def test_wrong_bits_are_counted_after_rounding() -> None:
    module, plain = started(), blocks(300)
    key, nonce = replayed(module, plain)
    with torch.no_grad():
        sealed = module.net.seal(plain, key, nonce)
        opened, guessed = module.net.open(sealed, key, nonce), module.eve(torch.cat([sealed, nonce], 1))
    wanted = [float(np.mean((answer.numpy() > 0) != (plain.numpy() > 0))) for answer in (opened, guessed)]
    assert module.measure_wrong_bits(plain) == pytest.approx(tuple(wanted))


def test_keys_and_nonces_are_fair_and_never_the_same_twice() -> None:
    module = started()
    one, other = module._draw_signs(blocks(2000)), module._draw_signs(blocks(2000))
    assert set(one.unique().tolist()) == {-1.0, 1.0}
    assert abs(one.mean().item()) < 4 / np.sqrt(16000)
    assert abs((one * other).mean().item()) < 4 / np.sqrt(16000)


def test_start_draws_key_weights_and_fair_blocks_from_the_seed() -> None:
    one, again, other = (CipherKeyed(8) for _ in range(3))
    rows = [m.start(TEXTS, np.random.SeedSequence(s)) for m, s in ((one, 1), (again, 1), (other, 2))]
    assert rows[0].shape == (65536, 8)
    assert abs(rows[0].mean().item()) < 4 / np.sqrt(rows[0].numel())
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    assert (one.key == again.key).all()
    assert not any(moved(weights(one), again))
    assert all(moved(weights(one), other))


def trained(folder: Path, **budget: int) -> tuple[CipherKeyed, KeyedCipher, Curve]:
    """A module after a training under Lightning, its cipher, and the curve of Bob's wrong bits."""
    module, training = CipherKeyed(8, learning_rate=0.01, eve_steps=1), Central(**budget)
    model, findings = training.fit(module, TEXTS, Accelerator("cpu"), np.random.SeedSequence(1), folder)
    assert isinstance(model, KeyedCipher)
    (curve,) = next(figure.curves for figure in findings.figures if "bob" in figure.title)
    return module, model, curve


def test_a_few_dozen_steps_run_and_move_all_three(tmp_path: Path) -> None:
    module, model, curve = trained(tmp_path, max_steps=45, batch_size=64, steps_per_call=15)
    first = CipherKeyed(8)
    first.start(TEXTS, np.random.SeedSequence(1).spawn(2)[0])
    assert all(moved(weights(first), module))
    assert list(curve.x) == [15, 30, 45]
    assert all(0.3 < share < 0.7 for share in curve.y)
    assert (model.key == module.key).all()
    assert (model.key == first.key).all()
    assert set(model.weights) == set(module.net.state_dict())
    np.testing.assert_array_equal(model.weights["bob.mix.weight"], module.net.bob.mix.weight.detach())
    torch.load(tmp_path / "model.ckpt", weights_only=True)


@pytest.mark.slow
def test_bob_learns_to_read(tmp_path: Path) -> None:
    _, _, curve = trained(tmp_path, max_steps=1000, batch_size=256, steps_per_call=50)
    assert curve.y[0] == pytest.approx(0.5, abs=0.03)
    assert curve.y[-1] < 0.4


@pytest.mark.parametrize("bits", [9, 12, 20])
def test_blocks_that_hold_no_whole_characters_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"bits={bits} must be a multiple of 8"):
        CipherKeyed(bits)
