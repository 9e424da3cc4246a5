"""Projected gradient descent on a score, within a norm ball around each row (Madry et al. 2018, section 2.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from veilbench.metrics.nearest import Norm

Score = Callable[[Tensor], Tensor]
Bounds = tuple[float, float] | None
STEP = 2.5  # total length of the steps in radii: enough to reach every point of the ball


def pgd(
    score: Score,
    rows: Tensor,
    radii: Tensor,
    norm: Norm,
    steps: int,
    restarts: int,
    generator: torch.Generator,
    bounds: Bounds = None,
) -> Tensor:
    """Minimise a score by project gradient descent, for all rows at once, each in its own ball.

    Args:
        score: score to minimise, shape (n, *shape) to (n,).
        rows: centres of the balls, shape (n, *shape).
        radii: radius of each ball, shape (n,).
        norm: norm of the balls and of the steps: "l2" steps along the gradient, "linf" along its sign.
        steps: steps of each descent.
        restarts: descents per row: the first from the row itself, the others from random points in its ball.
        generator: source of the random starting points, on the CPU.
        bounds: smallest and largest value allowed in a row; None allows all.

    Returns:
        The points with the lowest score met on the way, shape (n, *shape).
    """
    wide = column(radii, rows)
    best, lowest = rows.clone(), torch.full((len(rows),), torch.inf, device=rows.device)
    for restart in range(restarts):
        moved = rows + wide * random_in_ball(rows, norm, generator) if restart else rows
        moved = project(moved, rows, wide, norm, bounds)
        for step in range(steps + 1):  # the last round only evaluates
            value, slope = value_and_gradient(score, moved)
            better = value < lowest
            best, lowest = torch.where(column(better, rows), moved, best), torch.where(better, value, lowest)
            if step < steps:
                moved = moved - STEP / steps * wide * steepest_step(slope, norm)
                moved = project(moved, rows, wide, norm, bounds)
    return best


def best_noise(
    score: Score, rows: Tensor, radii: Tensor, norm: Norm, draws: int, generator: torch.Generator, bounds: Bounds = None
) -> Tensor:
    """Return the lowest-scoring of `draws` random perturbations on the surface of the ball: the noise control."""
    wide = column(radii, rows)
    best, lowest = rows, torch.full((len(rows),), torch.inf, device=rows.device)
    for _ in range(draws):
        moved = project(rows + wide * random_on_sphere(rows, norm, generator), rows, wide, norm, bounds)
        value = score(moved).detach()
        better = value < lowest
        best, lowest = torch.where(column(better, rows), moved, best), torch.where(better, value, lowest)
    return best


def value_and_gradient(score: Score, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return scores, shape (n,), and gradients, shape (n, *shape): zeros if the score has no gradient."""
    rows = rows.detach().requires_grad_()
    with torch.enable_grad():
        value = score(rows)
    if not value.requires_grad:
        return value, torch.zeros_like(rows)
    (slope,) = torch.autograd.grad(value.sum(), rows)
    return value.detach(), torch.nan_to_num(slope)


def steepest_step(slope: Tensor, norm: Norm) -> Tensor:
    """Return the step of length 1 that lowers a linear score most; zero if the gradient is zero."""
    if norm == "linf":
        return slope.sign()
    return slope / column(lengths(slope), slope).clamp_min(torch.finfo(slope.dtype).tiny)


def project(moved: Tensor, rows: Tensor, wide: Tensor, norm: Norm, bounds: Bounds) -> Tensor:
    """Project points onto the balls, then clip them to the bounds.

    The bounds contains the rows themselves, so clipping never leaves a ball.
    """
    change = moved - rows
    if norm == "linf":
        change = change.clamp(-wide, wide)
    else:
        change = change * (wide / column(lengths(change), rows).clamp_min(torch.finfo(rows.dtype).tiny)).clamp_max(1)
    return rows + change if bounds is None else (rows + change).clamp(*bounds)


def random_in_ball(rows: Tensor, norm: Norm, generator: torch.Generator) -> Tensor:
    """Draw one point per row, uniform in the ball of radius 1."""
    if norm == "linf":
        return 2 * torch.rand(rows.shape, generator=generator).to(rows) - 1
    far = torch.rand(len(rows), generator=generator).to(rows) ** (1 / rows[0].numel())
    return column(far, rows) * random_on_sphere(rows, norm, generator)


def random_on_sphere(rows: Tensor, norm: Norm, generator: torch.Generator) -> Tensor:
    """Draw noise of norm 1 exactly: a random direction ("l2"), or a corner of the cube ("linf")."""
    noise = torch.randn(rows.shape, generator=generator).to(rows)
    return steepest_step(noise, norm)


def lengths(rows: Tensor) -> Tensor:
    """Return the Euclidean norm of each row, shape (n,)."""
    return torch.as_tensor(torch.linalg.vector_norm(rows.flatten(1), dim=1))


def column(numbers: Tensor, rows: Tensor) -> Tensor:
    """Reshape one number per row to (n, 1, ...), so that it broadcasts over the row."""
    return numbers.view(-1, *[1] * (rows.ndim - 1))
