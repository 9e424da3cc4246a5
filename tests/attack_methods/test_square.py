"""Random search: the paper's schedule, the ball and the box, and what it finds on a plain slope."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from veilbench.attack_methods import square as module
from veilbench.attack_methods.square import square
from veilbench.metrics.nearest import Norm

PAPER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of 10,000 iterations: section 3.2 halves the share at each


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_share_of_numbers_is_halved_when_the_paper_does_so(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    draw = module._chosen

    def watched(n: int, size: int, count: int, generator: torch.Generator) -> Tensor:
        counts.append(count)
        return draw(n, size, count, generator)

    monkeypatch.setattr(module, "_chosen", watched)
    square(lambda rows: rows.sum(1), torch.zeros(1, 4096), torch.ones(1), "l2", 1000, seeded())
    for query, count in enumerate(counts):
        halvings = sum(10 * query >= mark for mark in PAPER)
        assert count == 4096 * 0.5 / 2**halvings


def test_at_least_one_number_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = square(lambda rows: rows.abs().sum(1).neg(), torch.zeros(5, 2), torch.ones(5), "l2", 30, seeded())
    assert (rows.abs().sum(1) > 0).all()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_the_lowest_point_that_was_asked_is_kept_within_ball_and_box(norm: Norm) -> None:
    asked: list[Tensor] = []
    weights = torch.tensor([1.0, -2.0, 0.5])

    def slope(rows: Tensor) -> Tensor:
        asked.append(rows)
        return rows @ weights

    centre, radii = torch.full((4, 3), 0.5), torch.tensor([0.1, 0.2, 0.4, 3.0])
    best = square(slope, centre, radii, norm, 300, seeded(), (0.0, 1.0))
    assert len(asked) == 301
    values = torch.stack([rows @ weights for rows in asked])
    torch.testing.assert_close(best @ weights, values.min(0).values)
    order = 2 if norm == "l2" else float("inf")
    for rows in asked:
        assert (torch.linalg.vector_norm(rows - centre, order, dim=1) <= radii + 1e-5).all()
        assert rows.min() >= 0
        assert rows.max() <= 1
    steepest = 0.5 * weights.sum() - radii[:2] * (weights.norm() if norm == "l2" else weights.abs().sum())
    torch.testing.assert_close(best[:2] @ weights, steepest, atol=0.02, rtol=0)
    torch.testing.assert_close(best[3], torch.tensor([0.0, 1.0, 0.0]), atol=0.05, rtol=0)


def test_the_step_grows_with_success_up_to_two_radii_and_shrinks_so_that_four_failures_undo_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[float] = []

    def unbounded(moved: Tensor, rows: Tensor, *_: Any) -> Tensor:
        steps.append(float(moved.abs().max()))
        return moved

    monkeypatch.setattr(module, "project", unbounded)
    monkeypatch.setattr(module, "steepest_step", lambda change, norm: torch.ones_like(change))
    answers = iter([0.0, -1, 1, 1, 1, 1, -2, -3, -4, 1])
    square(lambda rows: torch.tensor([next(answers)]), torch.zeros(1, 1), torch.ones(1), "l2", 9, seeded())
    best, sizes = 0.0, []
    for place, moved in enumerate(steps):
        sizes.append(moved - best)
        best = moved if place in (0, 5, 6, 7) else best  # where the answer was a lower one
    assert sizes == pytest.approx([1, 1.5, 1.5**0.75, 1.5**0.5, 1.5**0.25, 1, 1.5, 2, 2])


def test_in_linf_a_row_jumps_to_the_faces_of_the_cube_until_a_shorter_step_is_accepted() -> None:
    asked: list[Tensor] = []

    def rejecting(rows: Tensor) -> Tensor:
        asked.append(rows)
        return torch.full((len(rows),), float(len(asked)))

    square(rejecting, torch.zeros(1, 8), torch.full((1,), 0.5), "linf", 40, seeded())
    far = torch.stack(asked[1:]).abs().amax((1, 2))
    steps = torch.arange(40) % 4 == 3
    assert (far[~steps] == 0.5).all()
    assert (far[steps][3:] < 0.5).all()


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_in_linf_it_finds_points_inside_the_ball_and_corners(share: float) -> None:
    """Jumps alone cannot reach a point inside, and steps alone take long to the corner."""
    target = share * torch.randn(20, 16, generator=seeded()).sign()
    best = square(
        lambda rows: ((rows - target) ** 2).sum(1), torch.zeros(20, 16), torch.ones(20), "linf", 400, seeded()
    )
    left = ((best - target) ** 2).sum(1) / (target**2).sum(1)
    assert left.median() < 0.15
