from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian
from torch.distributions import Normal, kl_divergence

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.regularisers.contractive import (
    Contractive,
    estimate_jacobian_norm,
    jacobian_norm,
    single_layer,
)
from veilbench.families.autoencoders.regularisers.sparsity import L1, KlSparsity
from veilbench.families.autoencoders.regularisers.variational import Variational
from veilbench.nets.dense import Dense

ROWS = torch.rand(6, 5, generator=torch.Generator().manual_seed(0))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def encoder(layers: int, code_activation: str = "tanh") -> nn.Module:
    torch.manual_seed(0)
    nodes = [7] * layers
    return Dense(4, layers, nodes, "tanh", code_activation).build((5,))[0]  # type: ignore[arg-type]


def frobenius(net: nn.Module) -> torch.Tensor:
    """The squared Frobenius norm of the full Jacobian, row by row."""
    return torch.stack([(jacobian(lambda x: net(x[None])[0], row) ** 2).sum() for row in ROWS])


def test_the_exact_norm_of_one_layer_is_that_of_the_full_jacobian() -> None:
    net = encoder(0)
    layer = single_layer(net)
    assert layer
    torch.testing.assert_close(jacobian_norm(layer, ROWS, net(ROWS)), frobenius(net))


@pytest.mark.parametrize("layers", [0, 2])
def test_hutchinson_s_estimate_meets_the_exact_norm(layers: int) -> None:
    """The mean over 4,000 probes lies within 5 % of the full Jacobian's norm, and one probe does not."""
    net = encoder(layers)
    many = estimate_jacobian_norm(net, ROWS, 4000, generator()).detach()
    torch.testing.assert_close(many, frobenius(net), rtol=0.05, atol=1e-4)
    once = estimate_jacobian_norm(net, ROWS, 1, generator()).detach()
    assert float((once / frobenius(net) - 1).abs().max()) > 0.05


def test_both_ways_of_the_penalty_have_a_gradient_and_agree_on_one_layer() -> None:
    net = encoder(0)
    one = Contractive(0.5, "exact").penalty(net, ROWS, net(ROWS), generator())
    other = Contractive(0.5, "estimated", 4000).penalty(net, ROWS, net(ROWS), generator())
    torch.testing.assert_close(one, other, rtol=0.05, atol=1e-4)
    gradients = [torch.autograd.grad(p.mean(), net[1].weight)[0] for p in (one, other)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0.2, atol=2e-3)


def test_the_exact_form_is_refused_for_more_layers() -> None:
    net = encoder(2)
    with pytest.raises(UserError, match="one linear layer"):
        Contractive(1.0, "exact").penalty(net, ROWS, net(ROWS), generator())


def test_l1_is_the_mean_absolute_code() -> None:
    net = encoder(0)
    expected = [0.2 * sum(abs(float(v)) for v in net(row[None])[0]) / 4 for row in ROWS]
    assert L1(0.2).penalty(net, ROWS, net(ROWS), generator()).tolist() == pytest.approx(expected, rel=1e-5)


def test_kl_sparsity_is_zero_at_its_share_and_grows_away_from_it() -> None:
    penalty = KlSparsity(1.0, 0.25)
    net = nn.Identity()
    at, near, far = (torch.full((6, 3), share) for share in (0.25, 0.35, 0.9))
    values = [float(penalty.penalty(net, ROWS, code, generator())[0]) for code in (at, near, far)]
    assert values[0] == pytest.approx(0, abs=1e-7)
    assert 0 < values[1] < values[2]
    with pytest.raises(UserError, match="code_activation"):
        penalty.penalty(net, ROWS, far + 1, generator())


def test_the_variational_penalty_is_the_divergence_of_torch_s_distributions() -> None:
    encoded = torch.randn(6, 8, generator=generator())
    mean, log_variance = encoded.chunk(2, 1)
    law = Normal(mean, (log_variance / 2).exp())
    divergence = kl_divergence(law, Normal(torch.zeros(4), torch.ones(4))).sum(1)
    made = Variational(3.0).penalty(nn.Identity(), ROWS, encoded, generator())
    torch.testing.assert_close(made, 3.0 * divergence / 5)


def test_the_variational_code_is_drawn_with_the_encoded_mean_and_deviation() -> None:
    encoded = torch.tensor([[2.0, -1.0, 0.0, 2 * 0.693147]]).expand(20_000, 4)
    code = Variational().draw(encoded, generator())
    torch.testing.assert_close(code.mean(0), torch.tensor([2.0, -1.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(code.std(0), torch.tensor([1.0, 2.0]), atol=0.05, rtol=0)
