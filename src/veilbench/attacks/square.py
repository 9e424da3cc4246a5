"""Evasion without gradients: random search, after the Square Attack (Andriushchenko et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from veilbench.attacks.pgd import Box, Score, column, on_the_edge, projected
from veilbench.metrics.nearest import Norm

FIRST_SHARE = 0.5  # of a row's numbers that one proposal changes
HALVED_AT = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # shares of the queries; the paper's, section 3.2


@torch.no_grad()
def square(
    score: Score, rows: Tensor, radii: Tensor, norm: Norm, queries: int, generator: torch.Generator, box: Box = None
) -> Tensor:
    """The rows of the lowest score found, all rows at once, each in its own ball.

    As in the paper, a proposal changes ever fewer numbers of a row, and is kept if the score fell. Unlike there, the
    numbers are any of the row and no square of pixels, because a table's columns have no neighbours; and in the
    Euclidean norm the change may end inside of the ball, because a row is often hidden halfway to somewhere.

    Args:
        score: shape (n, *shape) to (n,), to be lowered; only its values are used.
        rows: centres of the balls, shape (n, *shape).
        radii: of the balls, shape (n,).
        norm: of the balls.
        queries: calls of `score`, after a first one.
        generator: draws everything, on the CPU.
        box: values allowed in a row; None allows all.
    """
    wide, size = column(radii, rows), rows[0].numel()
    best = projected(rows + wide * on_the_edge(rows, "linf", generator), rows, wide, norm, box)
    lowest = score(best)
    for query in range(queries):
        share = FIRST_SHARE / 2 ** sum(query >= mark * queries for mark in HALVED_AT)
        chosen = _chosen(len(rows), size, max(1, round(share * size)), generator).to(rows.device).view(rows.shape)
        signs = on_the_edge(rows, "linf", generator)
        if norm == "linf":
            moved = torch.where(chosen, rows + wide * signs, best)
        else:
            moved = best + chosen * wide * signs * size**-0.5
        moved = projected(moved, rows, wide, norm, box)
        value = score(moved)
        better = value < lowest
        best, lowest = torch.where(column(better, rows), moved, best), torch.where(better, value, lowest)
    return best


def _chosen(n: int, size: int, count: int, generator: torch.Generator) -> Tensor:
    """Shape (n, size), bool: `count` places of each row at random; a place drawn twice counts once."""
    places = torch.randint(size, (n, count), generator=generator)
    return torch.zeros(n, size, dtype=torch.bool).scatter_(1, places, True)
