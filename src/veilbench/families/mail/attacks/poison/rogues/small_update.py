"""A small update of malicious clients, for rules that select one client's update.

Krum selects the update with the smallest distances to its neighbours. Updates of clients with different mails are
nearly orthogonal, so that the square of a distance is about the sum of two squared norms. Where clients differ in their
number of mails, Krum therefore selects the client with the shortest update, round after round. An update near the
centre of all clients is too long, but one that moves the trigger alone can be as short as needed. How short follows
from the last move of the shared weights, which is the selected update.
"""

from __future__ import annotations

import numpy as np

from veilbench.families.mail.attacks.poison.rogues.base import RogueView

SHARE = 0.8
"""Norm of the update relative to the update that was selected in place of it. On validation mails of seeds 3 to 7, ten
clients by a Dirichlet distribution and two malicious ones, 0.8 was selected in all rounds that followed, 1.0 in 7 to 8
of 8, and 1.2 in 0 to 7. With orthogonal updates Krum with two malicious clients of ten selects a norm below 1.29."""
EQUAL = 1e-3  # relative distance below which a move is the update that was sent; messages are rounded


def craft_small(view: RogueView) -> np.ndarray | None:
    """Return one small update for all malicious clients that moves the trigger alone, shape (rogues, size).

    Returns:
        None in the first round, under a rule that does not select one update, and as long as it selects what the
        malicious clients sent otherwise.
    """
    if view.last is None or not selects_one(view):
        return None
    sent, moved = view.last.sent, view.last.moved
    selected = np.linalg.norm(moved - sent) <= EQUAL * np.linalg.norm(sent)
    small = not np.delete(sent, view.rows).any()
    if selected and not small:
        return None
    update = np.zeros_like(sent)
    update[view.rows] = (np.linalg.norm(sent) if selected else SHARE * np.linalg.norm(moved)) * view.direction
    return np.tile(update, (len(view.own), 1))


def selects_one(view: RogueView) -> bool:
    """Return whether the federation's rule returns one of the updates that it combines, by a trial."""
    trial = np.random.default_rng(0).standard_normal((view.clients, view.own.shape[1]))
    return bool(np.isclose(view.aggregate(trial), trial).all(1).any())
