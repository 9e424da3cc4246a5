from __future__ import annotations

import pytest
import torch
from torch import nn

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.nets.autoencoder_net import AutoencoderNet
from veilbench.nets.convolutional import Convolutional, Fold, FullyConvolutional
from veilbench.nets.dense import Dense


@pytest.mark.parametrize(
    ("net", "inputs", "widths"),
    [
        (Dense(4, 2, "shrink"), 32, [32, 16, 8, 4]),
        (Dense(50, 2, "grow"), 10, [10, 20, 40, 50]),
        (Dense(3, 2, [7, 9]), 5, [5, 7, 9, 3]),
        (Dense(3, 0), 5, [5, 3]),
    ],
)
def test_nodes_per_layer(net: Dense, inputs: int, widths: list[int]) -> None:
    assert net.widths(inputs) == widths
    encoder, decoder = net.build((inputs,))
    down = [layer.out_features for layer in encoder if isinstance(layer, nn.Linear)]
    up = [layer.out_features for layer in decoder if isinstance(layer, nn.Linear)]
    assert [inputs, *down] == widths
    assert up == widths[::-1][1:]


def test_nodes_that_do_not_match_the_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="must name 2 numbers"):
        Dense(4, 2, [8])


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 17, 23), (1, 28, 28), (3, 5, 64)])
def test_convolutions_take_images_of_any_size(shape: tuple[int, int, int]) -> None:
    net = AutoencoderNet(Convolutional(6, [4, 8, 8]), shape)
    images = torch.rand(2, *shape)
    assert net.code(images).shape == (2, 6)
    assert net(images).shape == images.shape


def test_convolutions_refuse_tables() -> None:
    with pytest.raises(UserError, match="need images of shape"):
        AutoencoderNet(Convolutional(), (30,))


def test_a_fully_convolutional_net_works_on_other_sizes_than_it_was_built_for() -> None:
    net = AutoencoderNet(FullyConvolutional(3, 4), (1, 16, 16), residual=True)
    big = torch.rand(1, 1, 40, 24)
    assert net(big).shape == big.shape
    # The same answer wherever a patch lies: a net of 3 x 3 kernels sees 3 places around.
    inner = net(big[..., 8:32, 4:20])
    torch.testing.assert_close(net(big)[..., 12:28, 8:16], inner[..., 4:20, 4:12], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(16, 24), (17, 23), (1, 2), (15, 16)])
def test_a_folded_net_gives_images_of_any_size_back(size: tuple[int, int]) -> None:
    net = AutoencoderNet(FullyConvolutional(3, 4, fold=2), (1, 16, 16), residual=True)
    images = torch.rand(2, 1, *size)
    assert net(images).shape == images.shape
    again = AutoencoderNet.from_settings(net.settings())
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(images), net(images))
    with torch.no_grad():
        for weight in net.decoder.parameters():
            weight.zero_()
    assert torch.equal(net(images), images)  # without a difference, each pixel is where it was


def test_folding_moves_every_pixel_to_a_channel_and_back() -> None:
    images = torch.rand(2, 3, 8, 6)
    folded = Fold(2)(images)
    assert torch.equal(folded[:, 0], images[:, 0, ::2, ::2])
    assert torch.equal(folded[:, 11], images[:, 2, 1::2, 1::2])
    assert torch.equal(nn.PixelShuffle(2)(folded), images)


def test_a_net_saved_before_folding_is_read() -> None:
    settings = FullyConvolutional(3, 4).settings()
    del settings["fold"]
    assert FullyConvolutional(**settings).fold == 1


@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax"])
def test_settings_rebuild_the_net(output: str) -> None:
    net = AutoencoderNet(Dense(3, 1, [6], "tanh"), (2, 2, 2), output, 2)  # type: ignore[arg-type]
    other = AutoencoderNet.from_settings(net.settings())
    other.load_state_dict(net.state_dict())
    rows = torch.rand(4, 2, 2, 2)
    assert torch.equal(net(rows), other(rows))
    if output == "softmax":
        torch.testing.assert_close(net(rows).flatten(1).sum(1), torch.ones(4))
    if output == "sigmoid":
        made = net(rows).detach()
        assert 0 < float(made.min()) < float(made.max()) < 1


def test_a_residual_net_cannot_have_a_logistic_output() -> None:
    with pytest.raises(ValueError, match="residual=True"):
        AutoencoderNet(Dense(2), (4,), "sigmoid", residual=True)
