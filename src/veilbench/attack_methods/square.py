"""Evasion without gradients: random search, after the Square Attack (Andriushchenko et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from veilbench.attack_methods.pgd import Box, Score, column, direction, projected
from veilbench.metrics.nearest import Norm

FIRST_SHARE = 0.5  # of a row's numbers that one proposal changes
HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # shares of the queries; the paper's, section 3.2
GROWTH = 1.5  # of a step after a proposal that was kept; four that were not undo it


@torch.no_grad()
def square(
    score: Score, rows: Tensor, radii: Tensor, norm: Norm, queries: int, generator: torch.Generator, box: Box = None
) -> Tensor:
    """The rows of the lowest score found, all rows at once, each in its own ball.

    As in the paper, a proposal changes ever fewer numbers of a row, and is kept if the score fell. Two things are
    different. The numbers are any of the row and no square of pixels, because a table's columns have no neighbours.
    And the change need not go to the edge of the ball, because the rows on the other side may be well within it: each
    row's step grows when a proposal was kept and shrinks when not, so that one in five is kept (Rechenberg 1973).

    Args:
        score: shape (n, *shape) to (n,), to be lowered; only its values are used.
        rows: centres of the balls, shape (n, *shape).
        radii: of the balls, shape (n,).
        norm: of the balls.
        queries: calls of `score`, beside that of the rows themselves.
        generator: draws everything, on the CPU.
        box: values allowed in a row; None allows all.
    """
    wide, size = column(radii, rows), rows[0].numel()
    best, lowest = rows, score(rows)
    step = torch.ones_like(radii)  # in radii
    for query in range(queries):
        share = FIRST_SHARE / 2 ** sum(query >= mark * queries for mark in HALVED_AT)
        chosen = _chosen(len(rows), size, max(1, round(share * size)), generator).to(rows.device).view(rows.shape)
        change = chosen * direction(torch.randn(rows.shape, generator=generator).to(rows) * chosen, norm)
        moved = projected(best + column(step, rows) * wide * change, rows, wide, norm, box)
        value = score(moved)
        better = value < lowest
        best, lowest = torch.where(column(better, rows), moved, best), torch.where(better, value, lowest)
        step = torch.where(better, step * GROWTH, step * GROWTH**-0.25).clamp_max(2)
    return best


def _chosen(n: int, size: int, count: int, generator: torch.Generator) -> Tensor:
    """Shape (n, size), bool: `count` places of each row at random; a place drawn twice counts once."""
    places = torch.randint(size, (n, count), generator=generator)
    return torch.zeros(n, size, dtype=torch.bool).scatter_(1, places, True)
