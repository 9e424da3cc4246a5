from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from veilbench.corruptions.random_affine import RandomAffine


def smooth(height: int, width: int, n: int = 3) -> torch.Tensor:
    noise = np.random.default_rng(0).random((n, 1, height, width))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 0, 3, 3), mode="nearest").astype(np.float32) * 5)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_nothing_asked_nothing_done() -> None:
    seen = smooth(20, 30)
    torch.testing.assert_close(RandomAffine(0, 0)(seen, generator()), seen)


@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 50)])
def test_it_turns_without_shearing_and_shifts(height: int, width: int) -> None:
    seen = smooth(height, width)
    drawn = 2 * torch.rand(3, 3, generator=generator()) - 1
    shaken = RandomAffine(20.0, 0.1)(seen, generator()).numpy()
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    for image, made, (turn, right, down) in zip(seen.numpy(), shaken, drawn.tolist(), strict=True):
        angle = math.radians(20 * turn)
        matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        move = centre - matrix @ centre + 0.1 * np.array([down * height, right * width])
        wanted = ndimage.affine_transform(image[0], matrix, move, order=1, mode="nearest")
        np.testing.assert_allclose(made[0], wanted, atol=2e-3)


def test_each_image_is_shaken_in_its_own_way_and_the_same_way_again() -> None:
    seen = smooth(20, 20, 1).expand(4, 1, 20, 20)
    one, again = RandomAffine()(seen, generator()), RandomAffine()(seen, generator())
    assert torch.equal(one, again)
    assert len(torch.unique(one, dim=0)) == 4


@pytest.mark.parametrize("name", ["rotation", "shift"])
def test_a_bad_value_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=-1"):
        RandomAffine(**{name: -1})
