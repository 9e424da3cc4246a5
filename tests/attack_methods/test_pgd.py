"""Descents within balls: against closed forms, another library, and each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from veilbench.attack_methods.pgd import STEP, best_noise, pgd, random_in_ball, random_on_sphere, steepest_step
from veilbench.attack_methods.square import square
from veilbench.metrics.nearest import Norm

NORMS: list[Norm] = ["l2", "linf"]
ORDERS = {"l2": 2.0, "linf": float("inf")}


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sizes(change: Tensor, norm: Norm) -> np.ndarray:
    return np.asarray(torch.linalg.vector_norm(change.flatten(1), ORDERS[norm], dim=1))


@pytest.fixture(scope="module")
def rows() -> Tensor:
    return 0.2 + 0.6 * torch.rand(30, 2, 3, 4, generator=drawn())


@pytest.fixture(scope="module")
def radii() -> Tensor:
    return torch.linspace(0.01, 0.5, 30)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Flatten(), nn.Linear(24, 32), nn.Tanh(), nn.Linear(32, 1), nn.Flatten(0))


@pytest.mark.parametrize("norm", NORMS)
def test_a_linear_score_falls_by_the_radius_times_the_dual_norm(rows: Tensor, radii: Tensor, norm: Norm) -> None:
    weights = torch.randn(24, generator=drawn(1))
    dual = torch.linalg.vector_norm(weights, 2 if norm == "l2" else 1)
    moved = pgd(lambda x: x.flatten(1) @ weights, rows, radii, norm, 20, 2, drawn())
    fallen = ((rows - moved).flatten(1) @ weights) / (radii * dual)
    np.testing.assert_allclose(fallen, 1, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_everything_stays_in_its_ball_and_in_the_box(
    rows: Tensor, radii: Tensor, net: nn.Module, norm: Norm, bounds: tuple[float, float] | None
) -> None:
    searches: list[Callable[[], Tensor]] = [
        lambda: pgd(net, rows, radii, norm, 5, 2, drawn(), bounds),
        lambda: square(net, rows, radii, norm, 20, drawn(), bounds),
        lambda: best_noise(net, rows, radii, norm, 2, drawn(), bounds),
    ]
    for search in searches:
        moved = search().detach()
        assert (sizes(moved - rows, norm) <= radii.numpy() * (1 + 1e-4) + 1e-6).all()
        assert not torch.equal(moved, rows)
        if bounds:
            assert 0 <= float(moved.min()) <= float(moved.max()) <= 1


@pytest.mark.parametrize("norm", NORMS)
def test_noise_is_as_large_as_allowed_and_starts_lie_within(norm: Norm) -> None:
    rows = torch.zeros(500, 6)
    np.testing.assert_allclose(sizes(random_on_sphere(rows, norm, drawn()), norm), 1, rtol=1e-5)
    starts = sizes(random_in_ball(rows, norm, drawn()), norm)
    assert starts.max() <= 1
    assert starts.mean() == pytest.approx(6 / 7, abs=0.03)  # the mean size of a uniform place in six dimensions


@pytest.mark.parametrize("norm", NORMS)
def test_a_row_moves_as_if_it_were_alone(rows: Tensor, radii: Tensor, net: nn.Module, norm: Norm) -> None:
    together = pgd(net, rows, radii, norm, 5, 1, drawn())
    alone = pgd(net, rows[7:8], radii[7:8], norm, 5, 1, drawn())
    torch.testing.assert_close(together[7:8], alone)


def test_gradients_find_more_than_values_and_values_more_than_noise(
    rows: Tensor, radii: Tensor, net: nn.Module
) -> None:
    lowest = [
        float(net(found).detach().mean())
        for found in (
            pgd(net, rows, radii, "l2", 20, 2, drawn()),
            square(net, rows, radii, "l2", 200, drawn()),
            best_noise(net, rows, radii, "l2", 2, drawn()),
            rows,
        )
    ]
    assert lowest == sorted(lowest)
    assert lowest[1] < lowest[2] - 0.01


def test_a_row_on_a_flat_top_is_moved_from_a_random_place() -> None:
    rows = torch.zeros(5, 3)

    def score(x: Tensor) -> Tensor:
        return -(x**2).sum(1)

    assert not pgd(score, rows, torch.ones(5), "l2", 20, 1, drawn()).any()
    moved = pgd(score, rows, torch.ones(5), "l2", 20, 2, drawn())
    np.testing.assert_allclose(moved.norm(dim=1), 1, rtol=1e-5)
    assert len(torch.unique(moved, dim=0)) == 5


def test_no_slope_no_step() -> None:
    torch.testing.assert_close(steepest_step(torch.zeros(2, 3), "l2"), torch.zeros(2, 3))
    rows = torch.ones(2, 3)
    moved = pgd(lambda x: torch.zeros(len(x)), rows, torch.ones(2), "l2", 3, 1, drawn())
    torch.testing.assert_close(moved, rows)


@pytest.mark.parametrize("norm", NORMS)
def test_it_is_the_descent_of_foolbox(rows: Tensor, net: nn.Module, norm: Norm) -> None:
    """Two classes with the logits (0, -score): to leave class 0 is to lower the score, along the same gradient."""
    foolbox = pytest.importorskip("foolbox")
    radius, steps = 0.2, 12

    class Logits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = net(x)
            return torch.stack([torch.zeros_like(score), -score], 1)

    kind = {"l2": foolbox.attacks.L2ProjectedGradientDescentAttack, "linf": foolbox.attacks.LinfPGD}[norm]
    attack = kind(abs_stepsize=STEP / steps * radius, steps=steps, random_start=False)
    model = foolbox.PyTorchModel(Logits().eval(), bounds=(0, 1), device="cpu")
    _, theirs, _ = attack(model, rows, torch.zeros(len(rows), dtype=torch.long), epsilons=radius)
    ours = pgd(net, rows, torch.full((30,), radius), norm, steps, 1, drawn(), (0.0, 1.0))
    with torch.no_grad():
        won_by_us, won_by_them, at_first = net(ours), net(theirs), net(rows)
    assert float((at_first - won_by_them).min()) > 0.05
    assert (won_by_us <= won_by_them + 1e-5).all()  # theirs is the last place, ours the best one on the same way
    np.testing.assert_allclose(won_by_us, won_by_them, atol=1e-4)
