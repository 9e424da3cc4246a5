"""The denoising network: any size, the noise level as an input, and what each pixel can see."""

from __future__ import annotations

import pytest
import torch

from veilbench.bench.errors import UserError
from veilbench.nets.multi_scale import MultiScale


def make_net(**settings: object) -> MultiScale:
    torch.manual_seed(0)
    return MultiScale(**{"channels": (4, 6, 8), **settings}).eval()  # type: ignore[arg-type]


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 24), (64, 64)])
def test_the_output_has_the_size_of_the_input(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size)
    restored = make_net(images=3)(images, torch.tensor([0.1, 0.2]))
    assert restored.shape == images.shape
    assert not torch.equal(restored, images)


@torch.no_grad()
def test_padding_changes_nothing_inside_an_image() -> None:
    """An image that is padded by hand as the network would gives the same."""
    images, sigma = torch.rand(1, 1, 13, 22), torch.tensor([0.1])
    padded = torch.nn.functional.pad(images, (0, 2, 0, 3), "replicate")
    assert padded.shape[2:] == (16, 24)
    net = make_net()
    torch.testing.assert_close(net(images, sigma), net(padded, sigma)[..., :13, :22])


@torch.no_grad()
def test_each_image_has_its_own_noise_level() -> None:
    net, images = make_net(), torch.rand(1, 1, 16, 16).expand(2, -1, -1, -1)
    both = net(images, torch.tensor([0.05, 0.2]))
    assert (both[0] - both[1]).abs().max() > 1e-3
    for place, sigma in enumerate((0.05, 0.2)):
        torch.testing.assert_close(both[place : place + 1], net(images[:1], torch.tensor([sigma])))


def test_more_levels_see_farther() -> None:
    def reach(channels: tuple[int, ...]) -> int:
        image = torch.rand(1, 1, 129, 129, requires_grad=True)
        make_net(channels=channels)(image, torch.tensor([0.1]))[0, 0, 64, 64].backward()
        assert image.grad is not None
        return int((image.grad[0, 0].abs().sum(0) > 0).sum())

    assert 10 < reach((4,)) < reach((4, 6)) < reach((4, 6, 8)) <= 129


def test_weights_that_fit_into_no_memory_are_refused() -> None:
    with pytest.raises(UserError, match=r"channels=\[100000\], blocks=100"):
        MultiScale((100_000,), blocks=100)
