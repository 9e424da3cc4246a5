"""Fraudulent card payments of four kinds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilbench.families.autoencoders.data.generators.card_holders import (
    CATEGORIES,
    DAYS,
    Holders,
    Payments,
    concatenate_payments,
)

Draw = Callable[[Holders, int, np.random.Generator], Payments]


def _draw_categories(names: str, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice([CATEGORIES.index(name) for name in names.split()], n)


def _draw_burst(low: int, high: int, hours: float, rng: np.random.Generator) -> np.ndarray:
    """Draw times of `low` to `high` payments within some hours of a uniformly drawn moment."""
    n = int(rng.integers(low, high + 1))
    return rng.uniform(0, 24 * DAYS - hours) + np.sort(rng.uniform(0, hours, n))


def _draw_stolen(holders: Holders, who: int, rng: np.random.Generator) -> Payments:
    time = _draw_burst(3, 8, 3, rng)
    n = len(time)
    distance, no = rng.lognormal(np.log(15), 0.8, n), np.zeros(n, bool)
    amount = rng.normal(holders.amount[who] + 1.0, 0.8, n)
    return Payments(
        np.full(n, who), time, amount, _draw_categories("electronics cash fuel", n, rng), distance, no, no, ~no
    )


def _draw_tested(holders: Holders, who: int, rng: np.random.Generator) -> Payments:
    time = _draw_burst(3, 7, 1, rng)
    n = len(time)
    amount, yes = rng.normal(0.7, 0.5, n), np.ones(n, bool)
    amount[-1] = rng.normal(holders.amount[who] + 1.5, 0.6)
    category = _draw_categories("clothing electronics subscription", n, rng)
    return Payments(np.full(n, who), time, amount, category, np.zeros(n), rng.random(n) < 0.3, yes, yes)


def _draw_cloned(holders: Holders, who: int, rng: np.random.Generator) -> Payments:
    time = _draw_burst(1, 3, 12, rng)
    n = len(time)
    distance, yes = rng.lognormal(np.log(2000), 0.6, n), np.ones(n, bool)
    amount = rng.normal(holders.amount[who] + 0.8, 0.6, n)
    return Payments(np.full(n, who), time, amount, _draw_categories("cash travel", n, rng), distance, yes, ~yes, yes)


def _draw_take_over(holders: Holders, who: int, rng: np.random.Generator) -> Payments:
    time = holders.draw_time(np.array([who]), rng)
    amount, yes = rng.normal(holders.amount[who] + 0.6, 0.7, 1), np.ones(1, bool)
    category = _draw_categories("clothing electronics travel", 1, rng)
    return Payments(np.array([who]), time, amount, category, np.zeros(1), rng.random(1) < 0.1, yes, yes)


KINDS: dict[str, Draw] = {
    "stolen": _draw_stolen,
    "tested": _draw_tested,
    "cloned": _draw_cloned,
    "taken over": _draw_take_over,
}


def draw_frauds(holders: Holders, n: int, rng: np.random.Generator) -> tuple[Payments, dict[str, int]]:
    """Draw `n` fraudulent payments, balanced over the kinds, and return the number of each kind."""
    drawn, counts = [], dict.fromkeys(KINDS, 0)
    while missing := n - sum(counts.values()):
        kind = min(counts, key=lambda name: counts[name])  # the kind with the fewest payments so far
        series = KINDS[kind](holders, int(rng.integers(holders.n)), rng)
        kept = min(missing, len(series.time))
        drawn.append(Payments(**{name: array[:kept] for name, array in vars(series).items()}))
        counts[kind] += kept
    return concatenate_payments(drawn), counts
