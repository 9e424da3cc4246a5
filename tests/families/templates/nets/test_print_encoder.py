from __future__ import annotations

import pytest
import torch

from veilbench.families.templates.nets.print_encoder import FirstConvolution, PoolToGrid, PrintEncoder, standardise


def images(n: int, height: int, width: int) -> torch.Tensor:
    return torch.rand((n, 1, height, width), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize(("height", "width"), [(96, 96), (56, 46), (8, 33)])
def test_images_of_any_size_become_codes_of_one(norm: str, height: int, width: int) -> None:
    net = PrintEncoder(20, (8, 16), norm).eval()  # type: ignore[arg-type]
    codes = net(images(3, height, width))
    assert codes.shape == (3, 20)
    assert not torch.allclose(codes[0], codes[1])


def test_contrast_and_brightness_do_not_count() -> None:
    net, seen = PrintEncoder(20, (8, 16)).eval(), images(3, 40, 40)
    torch.testing.assert_close(net(0.3 * seen + 0.1), net(seen), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(net(seen**2), net(seen), rtol=1e-3, atol=1e-4)
    assert standardise(torch.full((1, 1, 9, 9), 0.4)).abs().max() < 1e-2


@pytest.mark.parametrize(("norm", "alone"), [("batch", False), ("group", True)])
def test_only_group_norms_know_nothing_of_other_images(norm: str, alone: bool) -> None:
    net, seen = PrintEncoder(20, (8, 16), norm).train(), images(4, 32, 32)  # type: ignore[arg-type]
    other = seen.clone()
    other[1:] = other[1:].sqrt().flip(3)
    assert torch.allclose(net(seen)[0], net(other)[0], atol=1e-6) == alone


@pytest.mark.parametrize(
    ("settings", "said"), [({"channels": (8, 10)}, "10 must be a multiple of 4"), ({"norm": "layer"}, "norm=layer")]
)
def test_a_bad_value_is_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PrintEncoder(8, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("height", "width"), [(96, 96), (56, 46), (9, 8)])
def test_the_first_convolution_is_torchs_own_with_its_gradients(height: int, width: int) -> None:
    ours, theirs = FirstConvolution(12), torch.nn.Conv2d(1, 12, 8, 4, 2)
    theirs.load_state_dict(ours.state_dict())
    seen = images(3, height, width)
    made = []
    for layer in (ours, theirs):
        own = seen.clone().requires_grad_()
        out = layer(own)
        out.square().sum().backward()
        assert layer.bias is not None
        made.append((out.detach(), own.grad, layer.weight.grad, layer.bias.grad))
    for ours_, theirs_ in zip(*made, strict=True):
        torch.testing.assert_close(ours_, theirs_, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [(6, 6), (6, 12), (9, 7)])
def test_pooling_to_a_grid_is_torchs_own(side: tuple[int, int]) -> None:
    maps = images(2, *side)
    torch.testing.assert_close(PoolToGrid(6)(maps), torch.nn.AdaptiveAvgPool2d(6)(maps))
    assert (PoolToGrid(6)(maps) is maps) == (side == (6, 6))
