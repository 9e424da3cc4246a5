"""Stacked perceptrons: against one `nn.Linear` after another with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from veilbench.nets.stacked_mlp import StackedMLP

WIDTHS, MEMBERS, SLOPE = [7, 5, 6, 3], 4, 0.3


def stacked() -> StackedMLP:
    net = StackedMLP(WIDTHS, MEMBERS, SLOPE)
    net.reset_parameters(torch.Generator().manual_seed(1))
    return net


def one_by_one(net: StackedMLP) -> list[nn.Sequential]:
    """The members as networks of their own, with weights copied from the stack."""
    members = []
    for member in range(net.members):
        layers: list[nn.Module] = []
        for weight, bias in zip(net.weights, net.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[2])
            linear.weight = nn.Parameter(weight[member].detach().t().clone())
            linear.bias = nn.Parameter(bias[member, 0].detach().clone())
            layers += [linear, nn.LeakyReLU(net.slope)]
        members.append(nn.Sequential(*layers))
    return members


def rows(seed: int = 2) -> Tensor:
    return torch.randn(MEMBERS, 9, WIDTHS[0], generator=torch.Generator().manual_seed(seed))


def test_every_member_answers_as_its_own_network() -> None:
    net, x = stacked(), rows()
    wanted = torch.stack([member(x[index]) for index, member in enumerate(one_by_one(net))])
    torch.testing.assert_close(net(x), wanted)
    assert (wanted < 0).any()  # the last layer's slope is seen
    assert (wanted > 0).any()


def test_every_member_has_the_gradients_of_its_own_network() -> None:
    net, x = stacked(), rows()
    members = one_by_one(net)
    (net(x) ** 2).sum().backward()
    for index, member in enumerate(members):
        (member(x[index]) ** 2).sum().backward()
        for layer, linear in enumerate(m for m in member if isinstance(m, nn.Linear)):
            torch.testing.assert_close(net.weights[layer].grad[index].t(), linear.weight.grad)
            torch.testing.assert_close(net.biases[layer].grad[index, 0], linear.bias.grad)


def test_one_hot_rows_can_be_given_by_their_places() -> None:
    symbols = torch.tensor([3, 0, 6, 3])
    net, other = stacked(), stacked()
    hot = nn.functional.one_hot(symbols, WIDTHS[0]).float().expand(MEMBERS, -1, -1)
    short, full = net.forward_one_hot(symbols), other(hot)
    torch.testing.assert_close(short, full)
    (short**2).sum().backward()
    (full**2).sum().backward()
    for one, same in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, same.grad)


def test_one_member_does_not_touch_another() -> None:
    net, x = stacked(), rows()
    before = net(x)
    with torch.no_grad():
        net.weights[1][2] += 1
    after = net(x)
    changed = [not torch.equal(before[m], after[m]) for m in range(MEMBERS)]
    assert changed == [False, False, True, False]


def test_first_weights_have_the_spread_of_a_linear_layer() -> None:
    net = StackedMLP([25, 400, 2], 3)
    weights, biases = net.weights[0].detach(), net.biases[0].detach()
    bound = 1 / 5
    assert weights.abs().max() <= bound
    assert weights.abs().max() > 0.99 * bound
    assert weights.std().item() == pytest.approx(2 * bound / 12**0.5, rel=0.02)
    assert bound >= biases.abs().max() > 0.95 * bound
    assert not torch.equal(weights[0], weights[1])


def test_the_generator_alone_decides_the_first_weights() -> None:
    torch.manual_seed(0)
    one = stacked()
    torch.manual_seed(1)
    again, other = stacked(), StackedMLP(WIDTHS, MEMBERS)
    other.reset_parameters(torch.Generator().manual_seed(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("widths", [[], [5], [5, 0], [-1, 5]])
def test_impossible_widths_are_refused(widths: list[int]) -> None:
    with pytest.raises(ValueError, match="at least two positive numbers") as refused:
        StackedMLP(widths)
    assert f"widths={widths}" in str(refused.value)
