"""Evasion without gradients by random search, after the Square Attack (Andriushchenko et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from veilbench.attack_methods.pgd import Bounds, Score, column, project, steepest_step
from veilbench.metrics.nearest import Norm

FIRST_SHARE = 0.5  # share of a row's numbers that a proposal changes at first
HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # shares of the queries, from section 3.2 of the paper
GROWTH = 1.5  # step growth after an accepted proposal; four rejected ones undo it
ACROSS = 2.0  # radii from one face of the cube to the opposite one
OTHER = 4  # every so many proposals in "linf", a row tries the kind that it does not prefer


@torch.no_grad()
def square(
    score: Score,
    rows: Tensor,
    radii: Tensor,
    norm: Norm,
    queries: int,
    generator: torch.Generator,
    bounds: Bounds = None,
) -> Tensor:
    """Minimise a score by random search, for all rows at once, each in its own ball.

    As in the paper, a proposal changes fewer and fewer numbers of a row, and is accepted if the score falls. There are
    two differences. The numbers are any of the row instead of a square of pixels, because the columns of a table have
    no neighbours. And the change need not reach the surface of the ball, because the target region may lie well inside:
    each row's step grows when a proposal is accepted and shrinks when it is rejected, such that one in five is
    accepted (Rechenberg 1973). In "linf" a proposal may also jump to a face of the cube, as all of the paper's do: each
    row prefers the kind that it accepted last, and jumps at first.

    Args:
        score: score to minimise, shape (n, *shape) to (n,); only its values are used.
        rows: centres of the balls, shape (n, *shape).
        radii: radius of each ball, shape (n,).
        norm: norm of the balls, "l2" or "linf".
        queries: calls of `score`, not counting the one for the rows themselves.
        generator: source of all random numbers, on the CPU.
        bounds: smallest and largest value allowed in a row; None allows all.

    Returns:
        The points with the lowest score found, shape (n, *shape).
    """
    wide, size = column(radii, rows), rows[0].numel()
    best, lowest = rows, score(rows)
    step = torch.ones_like(radii)  # in units of the radius
    prefers_jumps = torch.full(radii.shape, norm == "linf", device=radii.device)
    for query in range(queries):
        share = FIRST_SHARE / 2 ** sum(query >= mark * queries for mark in HALVED_AT)
        chosen = _chosen(len(rows), size, max(1, round(share * size)), generator).to(rows.device).view(rows.shape)
        change = chosen * steepest_step(torch.randn(rows.shape, generator=generator).to(rows) * chosen, norm)
        jump = prefers_jumps ^ (query % OTHER == OTHER - 1) if norm == "linf" else prefers_jumps
        length = torch.where(jump, ACROSS, step)
        moved = project(best + column(length, rows) * wide * change, rows, wide, norm, bounds)
        value = score(moved)
        better = value < lowest
        best, lowest = torch.where(column(better, rows), moved, best), torch.where(better, value, lowest)
        adapted = torch.where(better, step * GROWTH, step * GROWTH**-0.25).clamp_max(ACROSS)
        step, prefers_jumps = torch.where(jump, step, adapted), torch.where(better, jump, prefers_jumps)
    return best


def _chosen(n: int, size: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` positions of each row, shape (n, size), bool; a position drawn twice counts once."""
    places = torch.randint(size, (n, count), generator=generator)
    return torch.zeros(n, size, dtype=torch.bool).scatter_(1, places, True)
