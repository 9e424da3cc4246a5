"""Card payments, a few of them fraudulent."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from veilbench.bench.limits import Count
from veilbench.families.autoencoders.data.generators.card_frauds import draw_frauds
from veilbench.families.autoencoders.data.generators.card_holders import (
    CATEGORIES,
    DAYS,
    Holders,
    Payments,
    concatenate_payments,
)
from veilbench.families.autoencoders.data.raw import Raw


class CardTransactions:
    """A month of payments as a bank sees them; labels "normal" and "fraud".

    Each holder has a mean log amount, normal(3.2, 0.5), and a spread of 0.4 to 0.8 around it, shifted by the category's
    price; a favourite hour, around 14, with a spread of 2 to 4 hours; preferences for eight categories of merchants,
    Dirichlet around the country's; a usual distance from home, log-normal; and an activity, gamma. One in seven travels
    for 2 to 7 days: far from home, half of them abroad. There is one holder for every 50 payments.

    The kinds of fraud have about equal numbers of payments, at uniformly drawn holders:

    - stolen: 3 to 8 payments within 3 hours, not far from home, higher amounts, electronics, cash and fuel;
    - tested: 3 to 7 online within an hour, with small amounts except for a large last one;
    - cloned: 1 to 3 within 12 hours at any time of the day, far away and abroad, cash and travel;
    - taken over: a single one online, at the holder's own hours, somewhat higher: hard to distinguish from normal.

    The columns: `amount` (natural logarithm), `amount_over_habit` (minus the holder's mean), `hour_sin`, `hour_cos`,
    `hour_off_habit` (hours from the favourite one, 0 to 12), `distance` (log(1 + km from home), 0 online), `foreign`,
    `online`, `since_last` (log(1 + hours since the card's last payment), a month for the first one), `last_day` (the
    card's payments in the preceding 24 hours), and `category=...`, 0 or 1 each. The habits are the model's parameters,
    as a bank with a long history would know them. It is a sketch: no seasons, no merchants' names, no habits that
    change.

    Args:
        rows: number of generated payments, honest and fraudulent.
        fraud_share: share of fraudulent payments, in (0, 0.5); at least one payment is fraudulent.
    """

    def __init__(
        self, rows: Annotated[Count, Ge(100)] = 20000, fraud_share: Annotated[float, Gt(0), Lt(0.5)] = 0.002
    ) -> None:
        self.rows, self.fraud_share = rows, fraud_share

    def read(self, rng: np.random.Generator) -> Raw:
        """Draw holders, their payments and the frauds; rows are in the order of holders and time."""
        holders = Holders(max(2, self.rows // 50), rng)
        wrong = max(1, round(self.rows * self.fraud_share))
        others, kinds = draw_frauds(holders, wrong, rng)
        payments = concatenate_payments([holders.draw_payments(self.rows - wrong, rng), others])
        table = compute_columns(holders, payments)
        notes = [
            "frauds by kind: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()),
            f"{holders.n} card holders; payments of one holder are in several parts",
        ]
        x = np.stack(list(table.values()), axis=1).astype(np.float32)
        return Raw(x, payments.fraud.astype(np.int64), list(table), ["normal", "fraud"], notes)


def compute_columns(holders: Holders, payments: Payments) -> dict[str, np.ndarray]:
    """Compute the columns that the bank sees, from payments sorted by holder and time."""
    hour, habit = payments.time % 24, holders.hour[payments.holder]
    off = np.abs(hour - habit)
    month = 24.0 * DAYS
    clock = payments.holder * 10 * month + payments.time  # ascending, with gaps of more than a month between holders
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
