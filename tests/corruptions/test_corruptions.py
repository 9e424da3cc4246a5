"""Corruptions: the statistics that they state, what they leave alone, and references from other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.color import rgb2gray

from veilbench.corruptions.base import Corruption, build_corruption, corrupt_array, describe_corruption
from veilbench.corruptions.blur import Blur
from veilbench.corruptions.dropout import Dropout
from veilbench.corruptions.gaussian import Gaussian
from veilbench.corruptions.greyscale import Greyscale
from veilbench.corruptions.missing_blocks import MissingBlocks
from veilbench.corruptions.rotation import Rotation
from veilbench.corruptions.salt_and_pepper import SaltAndPepper
from veilbench.corruptions.watermark import Watermark, stamp

RANDOM = [Gaussian(0.2), Dropout(0.3), SaltAndPepper(0.2), MissingBlocks(2, 3), Watermark("ab", 0.6), Rotation()]
ALL = [*RANDOM, Blur(1.2), Greyscale()]


def by_name(corruption: Corruption) -> str:
    return type(corruption).__name__


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 20, channels: int = 3, side: int = 12, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Values strictly between 0 and 1, so that a 0 or a 1 comes from the corruption."""
    return torch.rand((n, channels, side, side), generator=generator(9), dtype=dtype) * 0.8 + 0.1


@pytest.mark.parametrize("corruption", ALL, ids=by_name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_dtype_and_device_stay_and_the_input_is_left_alone(corruption: Corruption, dtype: torch.dtype) -> None:
    given = images(dtype=dtype)
    before = given.clone()
    spoiled = corruption(given, generator())
    assert (spoiled.shape, spoiled.dtype, spoiled.device) == (given.shape, given.dtype, given.device)
    assert torch.equal(given, before)
    assert not torch.equal(spoiled, given)


@pytest.mark.parametrize("corruption", ALL, ids=by_name)
def test_the_device_of_the_images_stays(corruption: Corruption) -> None:
    if not isinstance(corruption, (Watermark, Rotation)):  # their places are drawn on the generator's device and read
        assert corruption(images().to("meta"), generator()).device.type == "meta"


@pytest.mark.parametrize("corruption", RANDOM, ids=by_name)
def test_the_generator_decides(corruption: Corruption) -> None:
    one, again, other = (corruption(images(), generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(corruption(images(2)[[0, 0]], generator())[0], corruption(images(2)[[0, 0]], generator())[1])


@pytest.mark.parametrize("corruption", [Blur(), Greyscale()], ids=by_name)
def test_what_is_not_random_does_not_ask_the_generator(corruption: Corruption) -> None:
    assert torch.equal(corruption(images(), generator(1)), corruption(images(), generator(2)))


@pytest.mark.parametrize("shape", [(5000, 7), (50, 1, 28, 28)])
def test_gaussian_noise_has_its_mean_and_deviation(shape: tuple[int, ...]) -> None:
    noise = Gaussian(0.3)(torch.full(shape, 0.5), generator()) - 0.5
    assert noise.mean().item() == pytest.approx(0, abs=5 * 0.3 / noise.numel() ** 0.5)
    assert noise.std().item() == pytest.approx(0.3, rel=5 / (2 * noise.numel()) ** 0.5)
    assert noise.min() < -0.5  # nothing is cut
    flat = noise.flatten()
    assert abs(torch.corrcoef(torch.stack([flat[:-1], flat[1:]]))[0, 1].item()) < 5 / len(flat) ** 0.5


@pytest.mark.parametrize("shape", [(4000, 10), (50, 1, 28, 28)])
def test_dropout_zeroes_its_share_and_leaves_the_rest(shape: tuple[int, ...]) -> None:
    given = torch.rand(shape, generator=generator(5)) + 0.5
    spoiled = Dropout(0.25)(given, generator())
    gone = spoiled == 0
    assert torch.equal(spoiled[~gone], given[~gone])
    assert gone.float().mean().item() == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / given.numel()) ** 0.5)


def test_salt_and_pepper_come_in_equal_shares_on_whole_pixels() -> None:
    given = images(200)
    spoiled = SaltAndPepper(0.3)(given, generator())
    black, white = (spoiled == 0).all(1), (spoiled == 1).all(1)
    for hit in (black, white):
        assert hit.float().mean().item() == pytest.approx(0.15, abs=5 * (0.15 * 0.85 / hit.numel()) ** 0.5)
    left = ~(black | white)[:, None].expand_as(given)
    assert torch.equal(spoiled[left], given[left])
    assert torch.equal(SaltAndPepper(0)(given, generator()), given)
    assert set(SaltAndPepper(1)(given, generator()).unique().tolist()) == {0, 1}


@pytest.mark.parametrize(("side", "sigma"), [(28, 1.0), (28, 2.3), (8, 3.0)])
def test_blur_is_scipys(side: int, sigma: float) -> None:
    given = images(3, 3, side, torch.float64)
    wanted = ndimage.gaussian_filter(given.numpy(), (0, 0, sigma, sigma), mode="nearest", truncate=4)
    np.testing.assert_allclose(Blur(sigma)(given, generator()).numpy(), wanted, atol=1e-12)


def test_missing_blocks_are_squares_at_every_place() -> None:
    given = images(2000, 2, 8)
    spoiled = MissingBlocks(1, 3)(given, generator())
    gone = (spoiled == 0).all(1)
    assert torch.equal(gone, (spoiled == 0).any(1))
    assert torch.equal(gone.sum((1, 2)), torch.full((2000,), 9))
    assert (gone.any(2).sum(1) == 3).all()
    assert (gone.any(1).sum(1) == 3).all()
    kept = ~gone[:, None].expand_as(given)
    assert torch.equal(spoiled[kept], given[kept])
    corners = gone.flatten(1).int().argmax(1).bincount(minlength=64).view(8, 8)
    assert (corners[:6, :6] > 20).all()  # 2,000 over 36 places, 56 each
    assert corners[6:].sum() == corners[:, 6:].sum() == 0


def test_several_blocks_take_away_more() -> None:
    few, many = (MissingBlocks(blocks, 2)(images(500), generator()).eq(0).float().mean() for blocks in (1, 5))
    assert 3 * few < many < 5 * few


def test_grey_is_the_luma_of_recommendation_601() -> None:
    red, green, blue = torch.eye(3).view(3, 3, 1, 1)
    for colour, luma in ((red, 0.299), (green, 0.587), (blue, 0.114)):
        grey = Greyscale()(colour[None], generator())
        assert grey.flatten().tolist() == pytest.approx([luma] * 3)
    given = images()
    assert torch.allclose(Greyscale()(given, generator()).std(1), torch.zeros(20, 12, 12), atol=1e-6)
    other_standard = torch.from_numpy(rgb2gray(given.numpy(), channel_axis=1))  # Recommendation 709
    assert (Greyscale()(given, generator())[:, 0] - other_standard).abs().max() > 0.01


@pytest.mark.parametrize("side", [8, 12, 32, 112])
def test_a_watermark_is_written_within_every_image(side: int) -> None:
    given = torch.zeros(60, 3, side, side)
    spoiled = Watermark("SAMPLE", 0.5)(given, generator())
    ink = stamp("SAMPLE", side, side)
    assert ink.shape[0] >= 3
    assert 0.2 < ink.mean() < 0.9
    assert ink.min() < 0.8 < ink.max() == 1
    assert spoiled.amax().item() == pytest.approx(0.5 * ink.max())
    assert spoiled.sum((1, 2, 3)).numpy() == pytest.approx(np.full(60, 1.5 * ink.sum()), rel=1e-4)  # wholly inside
    assert len({tuple(np.argwhere(one[0].numpy() > 0)[0]) for one in spoiled}) > 1


def test_a_watermark_mixes_image_and_white_by_its_opacity() -> None:
    given = images()
    full, half, none = (Watermark("ab", opacity)(given, generator(3)) for opacity in (1.0, 0.5, 0.0))
    assert torch.equal(none, given)
    assert torch.allclose(half, (full + given) / 2, atol=1e-6)
    assert full.max() <= 1
    assert (full >= given).all()


def test_letters_can_be_told_apart() -> None:
    assert not np.array_equal(stamp("AB", 32, 32), stamp("BA", 32, 32))


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        (Gaussian, {"sigma": -1}, "sigma=-1 must be 0 or more"),
        (Blur, {"sigma": 0}, "sigma=0 must be above 0"),
        (Dropout, {"share": 1.5}, "share=1.5 must be in"),
        (SaltAndPepper, {"share": -0.1}, "share=-0.1 must be in"),
        (MissingBlocks, {"blocks": 0}, "blocks=0"),
        (Watermark, {"text": " "}, "text=' '"),
        (Watermark, {"opacity": 2}, "opacity=2 must be in"),
    ],
)
def test_a_bad_argument_is_named(kind: type[Corruption], arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kind(**arguments)


@pytest.mark.parametrize(
    "corruption", [Blur(), Greyscale(), MissingBlocks(), SaltAndPepper(), Watermark()], ids=by_name
)
def test_what_spoils_images_refuses_tables(corruption: Corruption) -> None:
    with pytest.raises(ValueError, match=r"got \(4, 7\)"):
        corruption(torch.zeros(4, 7), generator())


def test_images_that_cannot_be_spoiled_are_named() -> None:
    with pytest.raises(ValueError, match="size=9 does not fit into images of 8 x 8"):
        MissingBlocks(1, 9)(images(side=8), generator())
    with pytest.raises(ValueError, match="3 channels, got 1"):
        Greyscale()(images(channels=1), generator())


def test_turned_gives_the_eight_ways_a_square_lies_and_each_as_often() -> None:
    square = torch.arange(9.0).view(1, 1, 3, 3)
    ways = [np.rot90(side, k) for side in (square[0, 0].numpy(), square[0, 0].numpy()[:, ::-1]) for k in range(4)]
    made = Rotation()(square.repeat(4000, 1, 1, 1), generator())[:, 0].numpy()
    counts = [int((made == way).all((1, 2)).sum()) for way in ways]
    assert sum(counts) == 4000  # every image is one of the eight
    assert min(counts) > 400
    with pytest.raises(ValueError, match="Rotation turns square images, got 3 x 4"):
        Rotation()(torch.zeros(2, 1, 3, 4), generator())


def test_turned_keeps_the_channels_together() -> None:
    made = Rotation()(
        torch.arange(9.0).view(1, 1, 3, 3).repeat(50, 2, 1, 1) + torch.tensor([0, 100.0])[:, None, None], generator()
    )
    assert torch.equal(made[:, 1], made[:, 0] + 100)


@pytest.mark.parametrize("corruption", ALL, ids=by_name)
def test_a_description_makes_the_same_corruption(corruption: Corruption) -> None:
    back = build_corruption(describe_corruption(corruption))
    assert type(back) is type(corruption)
    assert vars(back) == vars(corruption)
    one, other = (corrupt_array(c, images().numpy(), np.random.default_rng(1)) for c in (corruption, back))
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    "name", ["os.system", "veilbench.bench.trained_model.TrainedModel", "veilbench.corruptions.base.corrupt_array"]
)
def test_a_description_of_something_else_is_refused(name: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        build_corruption({"class": name})
