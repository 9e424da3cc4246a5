"""Trained pairs of networks: the loss by hand, exact code books, shorter members, and what a training leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.families.ciphers.data.text import Texts
from veilbench.families.ciphers.modules.cipher_pair import CipherPair
from veilbench.families.ciphers.schemes.codebook import CodebookCipher
from veilbench.training.central import Central

ALPHABET = np.arange(91, dtype=np.uint8)
NOTHING = np.empty(0, np.uint8)
TEXTS = Texts(np.tile(ALPHABET, 3), NOTHING, NOTHING, NOTHING)
SHRUNKEN = {"encrypter": [64], "decrypter": [64], "code_bits": 12, "learning_rate": 0.01}
WIDE = {"encrypter": [48, 40], "decrypter": [40, 48], "code_bits": 20, "learning_rate": 0.01}
ENSEMBLE = SHRUNKEN | {"members": 3, "code_bits": [9, 12, 10], "chunk": 2}
JOINT = SHRUNKEN | {"mapping": False}
KINDS: dict[str, dict[str, Any]] = {
    "small": SHRUNKEN,
    "large": WIDE,
    "ensemble": ENSEMBLE,
    "joint bits": JOINT,
    "joint floats": JOINT | {"travels": "floats"},
}


def started(seed: int = 0, **settings: Any) -> CipherPair:
    module = CipherPair(**SHRUNKEN | settings)
    module.start(TEXTS, np.random.SeedSequence(seed))
    return module


def fitted(
    folder: Path, settings: dict[str, Any], seed: int = 0, **budget: Any
) -> tuple[CipherPair, CodebookCipher, Findings]:
    module = CipherPair(**settings)
    training = Central(**{"max_steps": 3000} | budget)
    seeds = np.random.SeedSequence(seed)
    trained, findings = training.fit(module, TEXTS, Accelerator("cpu"), seeds, folder)
    assert isinstance(trained, CodebookCipher)
    return module, trained, findings


def weights(module: CipherPair) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.net.named_parameters()}


def descend(module: CipherPair, steps: int) -> list[float]:
    """Plain optimizer steps on the whole alphabet, without Lightning."""
    optimizer, symbols, losses = module.configure_optimizers(), torch.arange(91), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = module.loss(symbols)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", KINDS)
def test_steps_move_every_weight_and_lower_the_loss(kind: str) -> None:
    module = started(**KINDS[kind])
    before = weights(module)
    losses = descend(module, 30)
    assert losses[-1] < 0.9 * losses[0]
    assert all(not torch.equal(before[name], after) for name, after in weights(module).items())


def test_the_loss_is_both_mean_squared_errors_summed_over_members() -> None:
    module = started(**ENSEMBLE)
    symbols = torch.tensor([3, 90, 3, 17])
    wanted = 0.0
    for member, bits in enumerate([9, 12, 10]):
        hot = torch.eye(91)[symbols].expand(3, -1, -1)
        made, codes = module.net.encrypter(hot)[member], module.codes[member, symbols]
        answers = module.net.decrypter(module.codes[:, symbols])[member]
        wanted += ((made - codes)[:, :bits] ** 2).sum().item() / (4 * 12)
        wanted += ((answers - torch.eye(91)[symbols]) ** 2).mean().item()
    assert module.loss(symbols).item() == pytest.approx(wanted, rel=1e-4)


def test_the_gradient_of_a_joint_pair_passes_the_threshold() -> None:
    module = started(mapping=False)
    symbols = torch.arange(91)
    module.loss(symbols).backward()
    book = module.net.encode_alphabet().detach()
    sent = ((book > 0.5).float()).requires_grad_()
    wanted = ((module.net.decrypter(sent) - torch.eye(91)) ** 2).mean()
    wanted.backward()
    module.net.encode_alphabet().backward(sent.grad)  # adds the same gradient once more
    doubled = [parameter.grad.clone() for parameter in module.net.encrypter.parameters()]
    module.zero_grad()
    assert module.loss(symbols).item() == pytest.approx(wanted.item(), rel=1e-5)
    module.loss(symbols).backward()
    for twice, parameter in zip(doubled, module.net.encrypter.parameters(), strict=True):
        torch.testing.assert_close(twice, 2 * parameter.grad)
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_pair_is_an_exact_code_book(kind: str, tmp_path: Path) -> None:
    module, cipher, findings = fitted(tmp_path, KINDS[kind])
    assert findings.metrics["characters_right"].value == 1
    assert findings.metrics["steps"].value < 3000
    message = np.tile(ALPHABET, 4)
    sealed = cipher.encrypt(message, np.random.default_rng(0))
    np.testing.assert_array_equal(cipher.decrypt(sealed), message)
    assert all(len(np.unique(book, axis=0)) == 91 for book in cipher.codes)
    if module.mapping:
        np.testing.assert_array_equal(cipher.codes, cipher.key)
        np.testing.assert_array_equal(np.unpackbits(cipher.key, axis=-1)[..., : module.codes.shape[2]], module.codes)
    else:
        assert cipher.key is None
    units = np.array([module.bits]).ravel()
    assert cipher.bits.tolist() == list(units * (32 if module.net.travels == "floats" else 1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "model", ["cipher_small", "cipher_large", "cipher_ensemble", "cipher_joint", "cipher_joint_floats"]
)
def test_the_full_models_are_exact_for_every_seed(model: str, seed: int, tmp_path: Path) -> None:
    small = {
        "encrypter": [91, 72, 64, 48, 36, 32],
        "decrypter": [32, 40, 46, 54, 64, 91, 91],
        "code_bits": 32,
    }
    large = {
        "encrypter": [91, 82, 74, 68, 64, 56],
        "decrypter": [56, 64, 72, 80, 85, 88, 91],
        "code_bits": 56,
    }
    settings = {
        "cipher_small": small,
        "cipher_large": large,
        "cipher_ensemble": large | {"members": 4, "code_bits": [32, 40, 48, 56]},
        "cipher_joint": small | {"mapping": False},
        "cipher_joint_floats": small | {"mapping": False, "travels": "floats"},
    }[model]
    _, cipher, findings = fitted(tmp_path, settings | {"learning_rate": 0.004}, seed, max_steps=10_000)
    assert findings.metrics["characters_right"].value == 1
    for member in range(cipher.members):
        np.testing.assert_array_equal(cipher.decoded[member], ALPHABET)
        assert len(np.unique(cipher.codes[member], axis=0)) == 91


def test_padding_bits_are_never_set_for_shorter_members(tmp_path: Path) -> None:
    module = started(**ENSEMBLE)
    for steps in (0, 5, 40):
        descend(module, steps)
        for packed in (module.trained_model().codes, module.trained_model().key):
            bits = np.unpackbits(packed, axis=-1)
            assert not bits[0, :, 9:].any()
            assert not bits[2, :, 10:].any()
    assert bits[1, :, 11].any()  # the longest uses its last bit


def test_stacked_members_train_as_they_would_alone() -> None:
    together = started(members=3)
    alone = []
    for member in range(3):
        single = started()
        with torch.no_grad():
            for one, many in zip(single.net.parameters(), together.net.parameters(), strict=True):
                one.copy_(many[member : member + 1])
            single.codes.copy_(together.codes[member : member + 1])
        alone.append(single)
    losses = np.sum([descend(single, 20) for single in alone], axis=0)
    np.testing.assert_allclose(descend(together, 20), losses, rtol=1e-4)
    for member, single in enumerate(alone):
        for one, many in zip(single.net.parameters(), together.net.parameters(), strict=True):
            torch.testing.assert_close(one[0], many[member], rtol=1e-3, atol=1e-4)


def test_members_begin_with_keys_and_weights_of_their_own() -> None:
    module = started(members=2)
    assert not torch.equal(module.codes[0], module.codes[1])
    assert not torch.equal(module.net.encrypter.weights[0][0], module.net.encrypter.weights[0][1])


def test_the_seed_alone_decides_key_and_first_weights() -> None:
    torch.manual_seed(1)
    one = started(seed=4)
    torch.manual_seed(2)
    again, other = started(seed=4), started(seed=5)
    assert torch.equal(one.codes, again.codes)
    assert not torch.equal(one.codes, other.codes)
    for first, same, third in zip(*(weights(m).values() for m in (one, again, other)), strict=True):
        assert torch.equal(first, same)
        assert not torch.equal(first, third)


def test_health_counts_characters_and_the_smallest_margin() -> None:
    module = started()
    descend(module, 400)
    with torch.no_grad():
        codes, symbols = module.codes[0], torch.arange(91)
        made = module.net.encrypter.forward_one_hot(symbols)[0]
        answers = module.net.decrypter((made > 0.5).float()[None])[0]
        sides = torch.where(codes == 1, made - 0.5, 0.5 - made).amin(1)
        best = answers.sort(1).values
    right, margin = module.measure_margin()
    wanted = (sides > 0) & (answers.argmax(1) == symbols)
    assert right == pytest.approx(wanted.float().mean().item())
    assert margin == pytest.approx(min((best[:, -1] - best[:, -2]).min().item(), sides.min().item()), abs=1e-5)


def test_the_checkpoint_is_weights_only_and_gives_the_same_outputs(tmp_path: Path) -> None:
    module, cipher, _ = fitted(tmp_path, SHRUNKEN, max_steps=50)
    checkpoint = torch.load(tmp_path / "model.ckpt", weights_only=True)
    loaded = CipherPair(**SHRUNKEN)
    loaded.load_state_dict(checkpoint["state_dict"])
    assert torch.equal(loaded.net.encode_alphabet(), module.net.encode_alphabet())
    np.testing.assert_array_equal(loaded.trained_model().codes, cipher.codes)
    for name, weight in load_file(tmp_path / "weights.safetensors").items():
        assert torch.equal(weight, checkpoint["state_dict"][name])


def test_the_same_seed_trains_the_same_weights(tmp_path: Path) -> None:
    made = [weights(fitted(tmp_path, SHRUNKEN, seed, max_steps=25, batch_size=40)[0]) for seed in (1, 1, 2)]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    assert not any(torch.equal(made[0][name], made[2][name]) for name in made[0])


def test_a_training_that_changes_nothing_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"changed no weight; raise training\.max_steps or the learning rate"):
        fitted(tmp_path, SHRUNKEN | {"learning_rate": 1e-30}, max_steps=25)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training diverged: \w+.* is (nan|inf).*lower the learning rate"):
        fitted(tmp_path, SHRUNKEN | {"learning_rate": 1e30}, max_steps=100)
    assert list(tmp_path.iterdir()) == []


def test_no_more_steps_are_made_than_allowed(tmp_path: Path) -> None:
    _, _, findings = fitted(tmp_path, SHRUNKEN, max_steps=30, steps_per_call=25)
    assert findings.metrics["steps"].value <= 30


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code_bits": [12, 12]}, "each of the 1 members"),
        ({"code_bits": [12], "members": 2}, "each of the 2 members"),
        ({"members": 2, "code_bits": [12, 6]}, "code_bits=6 cannot tell 91 characters apart: at least 7"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"must|cannot") as refused:
        CipherPair(**SHRUNKEN | change)
    assert said in str(refused.value)
