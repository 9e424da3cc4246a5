"""Card holders, their habits, and their payments."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

DAYS = 30
CATEGORIES = ("grocery", "fuel", "restaurant", "clothing", "electronics", "travel", "cash", "subscription")
SHARES = np.array([0.34, 0.12, 0.18, 0.09, 0.05, 0.04, 0.08, 0.10])  # mean shares of the categories
PRICE = np.array([0.0, 0.3, -0.2, 0.3, 1.0, 1.3, 0.6, -0.8])  # log amount relative to the holder's mean
ONLINE = np.array([0.05, 0.0, 0.05, 0.4, 0.5, 0.7, 0.0, 1.0])  # share of a category that is bought online


@dataclass(frozen=True)
class Payments:
    """Payments, each array of shape (n,).

    Attributes:
        holder: index of the holder.
        time: hours since the first day's midnight.
        amount: natural logarithm of the amount.
        category: index in `CATEGORIES`.
        distance: kilometres from home; 0 for online payments.
        foreign: whether the merchant is abroad.
        online: whether the payment was made online.
        fraud: whether the payment was fraudulent.
    """

    holder: np.ndarray
    time: np.ndarray
    amount: np.ndarray
    category: np.ndarray
    distance: np.ndarray
    foreign: np.ndarray
    online: np.ndarray
    fraud: np.ndarray


def concatenate_payments(parts: list[Payments]) -> Payments:
    """Concatenate payments, sorted by holder and then by time."""
    arrays = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Payments)}
    order = np.lexsort((arrays["time"], arrays["holder"]))
    return Payments(**{name: array[order] for name, array in arrays.items()})


class Holders:
    """`n` card holders with habits drawn by `rng`. `CardTransactions` describes the model."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self.n = n
        self.activity = rng.gamma(2, 1, n)
        self.amount, self.spread = rng.normal(3.2, 0.5, n), rng.uniform(0.4, 0.8, n)
        self.hour, self.hour_spread = rng.normal(14, 3, n) % 24, rng.uniform(2, 4, n)
        self.tastes = np.cumsum(rng.dirichlet(8 * SHARES, n), axis=1)
        self.reach = np.exp(rng.normal(1.5, 0.6, n))
        self.travels = rng.random(n) < 0.15
        self.leaves = rng.uniform(0, 24 * (DAYS - 7), n)
        self.returns = self.leaves + rng.uniform(48, 168, n)
        self.abroad = rng.random(n) < 0.5

    def draw_time(self, holder: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a time on a uniformly drawn day, at an hour of the holder's habit."""
        hour = rng.normal(self.hour[holder], self.hour_spread[holder]) % 24
        return np.asarray(24 * rng.integers(0, DAYS, len(holder)) + hour)

    def draw_payments(self, n: int, rng: np.random.Generator) -> Payments:
        """Draw `n` genuine payments."""
        holder = rng.choice(self.n, n, p=self.activity / self.activity.sum())
        time = self.draw_time(holder, rng)
        category = np.minimum((rng.random((n, 1)) > self.tastes[holder]).sum(1), len(CATEGORIES) - 1)
        online = rng.random(n) < ONLINE[category]
        away = self.travels[holder] & (time > self.leaves[holder]) & (time < self.returns[holder]) & ~online
        near, far = rng.lognormal(np.log(self.reach[holder]), 0.8), rng.lognormal(np.log(900), 0.7, n)
        amount = rng.normal(self.amount[holder] + PRICE[category], self.spread[holder])
        foreign = np.where(online, rng.random(n) < 0.05, away & self.abroad[holder])
        distance = np.where(online, 0.0, np.where(away, far, near))
        return Payments(holder, time, amount, category, distance, foreign, online, np.zeros(n, bool))
