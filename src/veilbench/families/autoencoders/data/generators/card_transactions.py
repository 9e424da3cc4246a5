"""Payments with cards, a few of them by somebody else."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from veilbench.bench.limits import Count
from veilbench.families.autoencoders.data.generators.card_frauds import frauds
from veilbench.families.autoencoders.data.generators.card_holders import CATEGORIES, DAYS, Holders, Payments, joined
from veilbench.families.autoencoders.data.raw import Raw


class CardTransactions:
    """A month of payments as a bank sees them; labels "normal" and "fraud".

    The model of a holder: a mean logarithm of amounts, normal(3.2, 0.5), and a spread of 0.4 to 0.8 about it, shifted
    by the category's price; a favourite hour, about 14, and a spread of 2 to 4 hours; a taste for eight categories of
    merchants, Dirichlet about the country's; a usual distance from home, log-normal; an activity, gamma. One in seven
    travels for 2 to 7 days: far from home, half of them abroad. There is a holder for each 50 payments.

    The frauds, about equal in number of payments, at holders drawn uniformly:

    - stolen: 3 to 8 payments within 3 hours, not far from home, higher amounts, electronics, cash and fuel;
    - tested: 3 to 7 on line within an hour, of small amounts, the last one of a large one;
    - cloned: 1 to 3 within 12 hours at any time of the day, far away and abroad, cash and travel;
    - taken over: a single one on line, at the holder's own hours, somewhat higher: hardly to be told from normal.

    The columns: `amount` (natural logarithm), `amount_over_habit` (less the holder's mean), `hour_sin`, `hour_cos`,
    `hour_off_habit` (hours from the favourite one, 0 to 12), `distance` (log(1 + km from home), 0 on line), `foreign`,
    `online`, `since_last` (log(1 + hours since the card's last payment), a month for its first), `last_day` (its
    payments in the 24 hours before), and `category=...`, 0 or 1 each. The habits are the model's own, as a bank with a
    long history knows them. It is a sketch: no seasons, no merchants' names, no habits that change.

    Args:
        rows: payments.
        fraud_share: the share of frauds; at least one.
    """

    def __init__(
        self, rows: Annotated[Count, Ge(100)] = 20000, fraud_share: Annotated[float, Gt(0), Lt(0.5)] = 0.002
    ) -> None:
        self.rows, self.fraud_share = rows, fraud_share

    def read(self, rng: np.random.Generator) -> Raw:
        """Draw holders, their payments and the frauds; rows are in the order of holders and time."""
        holders = Holders(max(2, self.rows // 50), rng)
        wrong = max(1, round(self.rows * self.fraud_share))
        others, kinds = frauds(holders, wrong, rng)
        payments = joined([holders.payments(self.rows - wrong, rng), others])
        table = columns(holders, payments)
        notes = [
            "frauds by kind: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()),
            f"{holders.n} card holders; payments of one holder are in several parts",
        ]
        x = np.stack(list(table.values()), axis=1).astype(np.float32)
        return Raw(x, payments.fraud.astype(np.int64), list(table), ["normal", "fraud"], notes)


def columns(holders: Holders, payments: Payments) -> dict[str, np.ndarray]:
    """What the bank sees of payments that are in the order of holders and time."""
    hour, habit = payments.time % 24, holders.hour[payments.holder]
    off = np.abs(hour - habit)
    month = 24.0 * DAYS
    clock = payments.holder * 10 * month + payments.time  # rises, and leaps over more than a month between holders
    since = np.minimum(np.diff(clock, prepend=-10 * month), month)
    counted = np.arange(len(clock)) - np.searchsorted(clock, clock - 24)
    table = {
        "amount": payments.amount,
        "amount_over_habit": payments.amount - holders.amount[payments.holder],
        "hour_sin": np.sin(2 * np.pi * hour / 24),
        "hour_cos": np.cos(2 * np.pi * hour / 24),
        "hour_off_habit": np.minimum(off, 24 - off),
        "distance": np.log1p(payments.distance),
        "foreign": payments.foreign,
        "online": payments.online,
        "since_last": np.log1p(since),
        "last_day": counted,
    }
    return table | {f"category={name}": payments.category == place for place, name in enumerate(CATEGORIES)}
