"""Hashmaps: arrays and tensors agree, keys turn and nothing else, noise is fresh, what is saved comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from veilbench.bench.trained_model import load_trained_model
from veilbench.families.templates.nets.print_encoder import PrintEncoder
from veilbench.families.templates.schemes import hashmap
from veilbench.families.templates.schemes.client_hashmaps import ClientHashmaps
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.families.templates.schemes.hashmap import HashmapScheme

IMAGES = np.random.default_rng(0).random((5, 1, 24, 24), np.float32)
KEYS = np.array([3, 7, 3, 2**63 + 1, 7], np.uint64)


def scheme(**settings: Any) -> HashmapScheme:
    torch.manual_seed(0)
    return HashmapScheme(PrintEncoder(16, (8, 8)), **settings)


def clients() -> ClientHashmaps:
    torch.manual_seed(0)
    return ClientHashmaps([PrintEncoder(6, (8,), "group") for _ in range(3)])


SCHEMES: dict[str, DifferentiableScheme] = {
    "plain": scheme(),
    "keyed": scheme(keyed=True),
    "binary": scheme(binary=True),
    "binary_keyed": scheme(binary=True, keyed=True),
    "clients": clients(),
}


@pytest.mark.parametrize("name", SCHEMES)
def test_tensors_hold_what_arrays_hold(name: str) -> None:
    it = SCHEMES[name]
    features = it.features(IMAGES)
    templates = it.protect(features, KEYS)
    assert templates.dtype == (np.uint8 if it.binary else np.float32)
    tensors = it.protect_tensor(it.features_tensor(torch.from_numpy(IMAGES)), KEYS)
    np.testing.assert_allclose(tensors.numpy(), templates, atol=1e-6)
    alike = it.similarity_tensor(tensors[:-1], tensors[1:]).numpy()
    np.testing.assert_allclose(alike, it.compare(templates[:-1], templates[1:]), atol=1e-6)
    np.testing.assert_allclose(it.compare_all(templates, templates).diagonal(1), alike, atol=1e-6)


@pytest.mark.parametrize("name", SCHEMES)
def test_the_gradient_leads_to_templates_that_are_more_alike(name: str) -> None:
    it = SCHEMES[name]
    target = torch.from_numpy(it.enroll(IMAGES[:1], KEYS[:1])).float()
    moved = torch.from_numpy(IMAGES[1:2]).clone()
    alike = []
    for _ in range(40):
        moved.requires_grad_()
        score = it.similarity_tensor(it.protect_tensor(it.features_tensor(moved), KEYS[:1]), target)
        alike.append(float(score.detach()))
        (slope,) = torch.autograd.grad(score.sum(), moved)
        moved = (moved + 0.01 * slope.sign()).clamp(0, 1).detach()
    assert max(alike) > alike[0] + (0.2 if not it.binary else 0.1)


@pytest.mark.parametrize("name", SCHEMES)
def test_what_was_saved_comes_back(name: str, tmp_path: Path) -> None:
    SCHEMES[name].save(tmp_path)
    back = load_trained_model(tmp_path)
    assert isinstance(back, DifferentiableScheme)
    assert (back.keyed, back.binary) == (SCHEMES[name].keyed, SCHEMES[name].binary)
    np.testing.assert_array_equal(back.enroll(IMAGES, KEYS), SCHEMES[name].enroll(IMAGES, KEYS))


def test_a_turn_keeps_all_distances_and_a_new_key_makes_a_new_template() -> None:
    plain, keyed = SCHEMES["plain"], SCHEMES["keyed"]
    one, other = (keyed.enroll(IMAGES, np.full(5, key, np.uint64)) for key in (1, 2))
    codes = plain.enroll(IMAGES, KEYS)
    np.testing.assert_allclose(one @ one.T, codes @ codes.T, atol=1e-5)
    assert np.abs((one * other).sum(1)).max() < 0.8
    np.testing.assert_array_equal(codes, plain.enroll(IMAGES, KEYS + np.uint64(1)))


def test_noise_is_fresh_each_time_as_large_as_said_and_the_same_after_loading(tmp_path: Path) -> None:
    noisy = scheme(noise=0.5, noise_seed=4)
    noisy.save(tmp_path)
    many, keys = np.repeat(IMAGES[:1], 400, 0), np.zeros(400, np.uint64)
    one, other = noisy.enroll(many, keys), noisy.enroll(many, keys)
    assert not np.array_equal(one, other)
    clean = SCHEMES["plain"].enroll(IMAGES[:1], keys[:1])
    assert (one @ clean[0]).mean() == pytest.approx(1 / np.sqrt(1 + 0.5**2), abs=0.02)
    np.testing.assert_array_equal(load_trained_model(tmp_path).enroll(many, keys), one)  # type: ignore[attr-defined]
    features = noisy.features_tensor(torch.from_numpy(many))
    assert not torch.equal(noisy.protect_tensor(features, keys), noisy.protect_tensor(features, keys))


def test_the_key_says_which_client_makes_the_template() -> None:
    it = clients()
    features = it.features(IMAGES).reshape(5, 3, 6)
    made = np.stack([it.enroll(IMAGES, np.full(5, key, np.uint64)) for key in range(30)])
    from_whom = [[client for client in range(3) if np.allclose(one, features[:, client])] for one in made]
    assert all(len(found) == 1 for found in from_whom)
    assert {found[0] for found in from_whom} == {0, 1, 2}


def test_what_is_trained_is_not_fitted_and_bad_values_are_named() -> None:
    with pytest.raises(NotImplementedError, match="made by training"):
        scheme().fit(None, np.random.default_rng(0))
    with pytest.raises(ValueError, match="noise=-1"):
        scheme(noise=-1)
    with pytest.raises(ValueError, match="keys of shape"):
        scheme(keyed=True).protect_tensor(torch.ones(2, 16), KEYS)


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_noise_has_the_length_that_is_said_however_many_numbers_a_code_has(noise: float) -> None:
    """Noise at a right angle to a code of length 1: the cosine between the two is that of the triangle."""
    code = torch.nn.functional.normalize(torch.randn(1, 20_000, generator=torch.Generator().manual_seed(0)), dim=1)
    wanted = 1 / (1 + noise**2) ** 0.5
    tensors = hashmap.add_noise(code, noise, np.random.default_rng(0))
    arrays = scheme(noise=noise).protect(code.numpy(), KEYS[:1])
    for made in (tensors.numpy(), arrays):
        assert float((made[0] * code[0].numpy()).sum()) == pytest.approx(wanted, abs=0.02)
        assert np.linalg.norm(made) == pytest.approx(1, abs=1e-4)


def test_a_code_is_rotated_by_the_matrix_of_its_key_in_any_company() -> None:
    rng = np.random.default_rng(0)
    codes, keys = rng.standard_normal((3, 5), np.float32), rng.integers(0, 2**64, 3, dtype=np.uint64)
    wanted = np.stack([code @ hashmap.rotation_matrix(5, int(key)) for code, key in zip(codes, keys, strict=True)])
    np.testing.assert_allclose(hashmap.rotate_array(codes, keys), wanted, atol=1e-6)
    twice = hashmap.rotate_array(np.concatenate([codes, codes]), np.concatenate([keys, keys]))
    np.testing.assert_allclose(twice, np.concatenate([wanted, wanted]), atol=1e-6)


@pytest.mark.parametrize(("width", "stacked"), [(16, True), (512, False)])
def test_matrices_are_multiplied_at_once_only_where_they_are_small(width: int, stacked: bool) -> None:
    rng = np.random.default_rng(1)
    codes, keys = rng.standard_normal((9, width)).astype(np.float32), rng.integers(0, 2**64, 9, np.uint64)
    before = hashmap._stack_rotations.cache_info().misses
    turned = hashmap.rotate_array(codes, keys)
    assert hashmap._stack_rotations.cache_info().misses - before == stacked
    singly = [code @ hashmap.rotation_matrix(width, int(key)) for code, key in zip(codes, keys, strict=True)]
    np.testing.assert_allclose(turned, singly, atol=1e-5)
