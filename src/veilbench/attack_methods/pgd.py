"""Projected gradient descent on a score, within a ball about each row (Madry et al. 2018, section 2.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from veilbench.metrics.nearest import Norm

Score = Callable[[Tensor], Tensor]
Box = tuple[float, float] | None
STEP = 2.5  # the steps together are this many radii long, so that every place in the ball is within reach


def pgd(
    score: Score,
    rows: Tensor,
    radii: Tensor,
    norm: Norm,
    steps: int,
    restarts: int,
    generator: torch.Generator,
    box: Box = None,
) -> Tensor:
    """The rows of the lowest score that were met on the way down, all rows at once, each in its own ball.

    Args:
        score: shape (n, *shape) to (n,), to be lowered.
        rows: centres of the balls, shape (n, *shape).
        radii: of the balls, shape (n,).
        norm: of the balls and of the steps: "l2" steps along the gradient, "linf" along its signs.
        steps: of each descent.
        restarts: descents, the first from the row itself, the others from anywhere in its ball.
        generator: draws the places, on the CPU.
        box: values allowed in a row; None allows all.
    """
    wide = column(radii, rows)
    best, lowest = rows.clone(), torch.full((len(rows),), torch.inf, device=rows.device)
    for restart in range(restarts):
        moved = rows + wide * anywhere(rows, norm, generator) if restart else rows
        moved = projected(moved, rows, wide, norm, box)
        for step in range(steps + 1):  # the last round looks only
            value, slope = value_and_gradient(score, moved)
            better = value < lowest
            best, lowest = torch.where(column(better, rows), moved, best), torch.where(better, value, lowest)
            if step < steps:
                moved = moved - STEP / steps * wide * direction(slope, norm)
                moved = projected(moved, rows, wide, norm, box)
    return best


def best_noise(
    score: Score, rows: Tensor, radii: Tensor, norm: Norm, draws: int, generator: torch.Generator, box: Box = None
) -> Tensor:
    """The rows of the lowest score among as many draws of noise as large as the balls allow: the control."""
    wide = column(radii, rows)
    best, lowest = rows, torch.full((len(rows),), torch.inf, device=rows.device)
    for _ in range(draws):
        moved = projected(rows + wide * on_the_edge(rows, norm, generator), rows, wide, norm, box)
        value = score(moved).detach()
        better = value < lowest
        best, lowest = torch.where(column(better, rows), moved, best), torch.where(better, value, lowest)
    return best


def value_and_gradient(score: Score, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Scores, shape (n,), and their gradients, shape (n, *shape): zeros where the score has none."""
    rows = rows.detach().requires_grad_()
    with torch.enable_grad():
        value = score(rows)
    if not value.requires_grad:
        return value, torch.zeros_like(rows)
    (slope,) = torch.autograd.grad(value.sum(), rows)
    return value.detach(), torch.nan_to_num(slope)


def direction(slope: Tensor, norm: Norm) -> Tensor:
    """The step of length 1 that lowers a linear score most; none where there is no slope."""
    if norm == "linf":
        return slope.sign()
    return slope / column(lengths(slope), slope).clamp_min(torch.finfo(slope.dtype).tiny)


def projected(moved: Tensor, rows: Tensor, wide: Tensor, norm: Norm, box: Box) -> Tensor:
    """The places nearest to `moved` in the balls, then in the box.

    The box holds the rows themselves, so that cutting to it leads nobody out of a ball.
    """
    change = moved - rows
    if norm == "linf":
        change = change.clamp(-wide, wide)
    else:
        change = change * (wide / column(lengths(change), rows).clamp_min(torch.finfo(rows.dtype).tiny)).clamp_max(1)
    return rows + change if box is None else (rows + change).clamp(*box)


def anywhere(rows: Tensor, norm: Norm, generator: torch.Generator) -> Tensor:
    """Uniform in the ball of radius 1, one place per row."""
    if norm == "linf":
        return 2 * torch.rand(rows.shape, generator=generator).to(rows) - 1
    far = torch.rand(len(rows), generator=generator).to(rows) ** (1 / rows[0].numel())
    return column(far, rows) * on_the_edge(rows, norm, generator)


def on_the_edge(rows: Tensor, norm: Norm, generator: torch.Generator) -> Tensor:
    """Noise of size 1 exactly: a direction at random ("l2"), or a corner of the cube ("linf")."""
    noise = torch.randn(rows.shape, generator=generator).to(rows)
    return direction(noise, norm)


def lengths(rows: Tensor) -> Tensor:
    """Euclidean, shape (n,)."""
    return torch.as_tensor(torch.linalg.vector_norm(rows.flatten(1), dim=1))


def column(numbers: Tensor, rows: Tensor) -> Tensor:
    """One number per row, shaped (n, 1, ...) so that it broadcasts over the row."""
    return numbers.view(-1, *[1] * (rows.ndim - 1))
