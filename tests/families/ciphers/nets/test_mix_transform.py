"""Mix and transform: against PyTorch's own convolutions, laid out as in Abadi and Andersen (2016), figure 2."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from veilbench.families.ciphers.nets.mix_transform import AliceAndBob, MixTransform


def drawn(inputs: int, outputs: int, seed: int = 0) -> MixTransform:
    torch.manual_seed(seed)
    return MixTransform(inputs, outputs)


def by_convolutions(net: MixTransform, x: Tensor) -> Tensor:
    """The paper's layers: windows 4, 2, 1, 1; strides 1, 2, 1, 1; sigmoids, and tanh at the end.

    A window of 4 keeps all 2N places when 1 is added before and 2 behind, as TensorFlow's "same" padding does. The
    second layer's inputs are ordered (channel, place), which is the order of a convolution's kernel as well.
    """
    one, two, three, four = net.transform
    mixed = torch.sigmoid(net.mix(x))[:, None]
    first = torch.sigmoid(conv1d(pad(mixed, (1, 2)), one.weight[:, None], one.bias, stride=1))
    second = torch.sigmoid(conv1d(first, two.weight.view(4, 2, 2), two.bias, stride=2))
    third = torch.sigmoid(conv1d(second, three.weight[..., None], three.bias, stride=1))
    return torch.tanh(conv1d(third, four.weight[..., None], four.bias, stride=1))[:, 0]


@pytest.mark.parametrize(("inputs", "outputs", "batch"), [(6, 2, 1), (24, 8, 5), (48, 16, 3), (5, 4, 7)])
def test_it_is_the_papers_convolutions(inputs: int, outputs: int, batch: int) -> None:
    net = drawn(inputs, outputs)
    x = torch.randint(0, 2, (batch, inputs)).float() * 2 - 1
    made = net(x)
    assert made.shape == (batch, outputs)
    torch.testing.assert_close(made, by_convolutions(net, x))


def test_the_gradients_are_those_of_the_convolutions() -> None:
    net, same = drawn(24, 8), drawn(24, 8)
    x = torch.randn(5, 24)
    (net(x) ** 2).sum().backward()
    (by_convolutions(same, x) ** 2).sum().backward()
    for one, other in zip(net.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
        assert one.grad.abs().max() > 0


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    net, x = drawn(24, 8), torch.randn(6, 24)
    torch.testing.assert_close(net(x)[[4, 1]], net(x[[4, 1]]))


def test_layers_have_the_papers_sizes() -> None:
    shapes = [tuple(layer.weight.shape) for layer in drawn(48, 16).transform]
    assert shapes == [(2, 4), (4, 4), (4, 4), (1, 4)]
    assert drawn(48, 16).mix.weight.shape == (32, 48)


def test_alice_and_bob_see_plain_key_and_nonce_in_this_order() -> None:
    torch.manual_seed(0)
    pair = AliceAndBob(8)
    plain, key, nonce = (torch.randn(3, 8) for _ in range(3))
    sealed = pair.seal(plain, key, nonce)
    torch.testing.assert_close(sealed, by_convolutions(pair.alice, torch.cat([plain, key, nonce], 1)))
    torch.testing.assert_close(
        pair.open(sealed, key, nonce), by_convolutions(pair.bob, torch.cat([sealed, key, nonce], 1))
    )
    assert not any(isinstance(layer, nn.Conv1d) for layer in pair.modules())
