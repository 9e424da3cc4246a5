"""The behaviours of rogue clients, on updates whose right answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from veilbench.families.mail.attacks.poison.rogues.base import LastRound, Rogue, RogueView
from veilbench.families.mail.attacks.poison.rogues.boosted import Boosted
from veilbench.families.mail.attacks.poison.rogues.colluding import Colluding
from veilbench.families.mail.attacks.poison.rogues.little_is_enough import LittleIsEnough, largest_z
from veilbench.families.mail.attacks.poison.rogues.small_update import SHARE, craft_small, selects_one
from veilbench.families.mail.attacks.poison.rogues.tailored import SCALES, Tailored
from veilbench.families.mail.baselines.plain_federation import PlainFederation
from veilbench.federated.rules import clipped_mean, geometric_median, krum, median

ROWS, SIZE, CLIENTS = np.array([3, 7]), 400, 10


def mean(updates: np.ndarray) -> np.ndarray:
    return np.asarray(updates.mean(0))


def by_krum(updates: np.ndarray) -> np.ndarray:
    return np.asarray(updates[krum(updates, 2)])


def draw_updates(count: int, seed: int) -> np.ndarray:
    updates: np.ndarray = 0.5 + np.random.default_rng(seed).standard_normal((count, SIZE))
    updates[:, ROWS] = 0
    return updates


def view(rule: Callable[[np.ndarray], np.ndarray] = mean, rogues: int = 2, seed: int = 0) -> RogueView:
    taught = np.tile([-0.3, -0.4], (rogues, 1))
    return RogueView(draw_updates(rogues, seed), taught, ROWS, CLIENTS, rule, np.random.default_rng(seed))


@pytest.mark.parametrize("rogue", [Boosted(), Colluding(), LittleIsEnough(), Tailored()])
@pytest.mark.parametrize("rogues", [1, 2, 3])
def test_only_the_trigger_moves_where_honest_updates_do_not(rogue: Rogue, rogues: int) -> None:
    seen = view(rogues=rogues)
    sent = rogue.craft(seen)
    assert sent.shape == seen.own.shape
    moved = sent[:, ROWS]
    np.testing.assert_allclose(moved / np.linalg.norm(moved, axis=1)[:, None], np.tile([-0.6, -0.8], (rogues, 1)))
    np.testing.assert_allclose(np.delete(sent, ROWS, 1).mean(0), np.delete(seen.own, ROWS, 1).mean(0))
    np.testing.assert_array_equal(seen.own, draw_updates(rogues, 0))  # they are left as they are


def test_boosted_rows_are_the_taught_ones_enlarged() -> None:
    np.testing.assert_allclose(Boosted(10.0).craft(view())[:, ROWS], np.tile([-3.0, -4.0], (2, 1)))


def test_colluding_clients_send_one_update_whose_trigger_has_the_scale() -> None:
    seen = view()
    one, other = Colluding(0.25).craft(seen)
    np.testing.assert_array_equal(one, other)
    spread = np.sqrt(sum(np.var(seen.own[:, at], ddof=1) for at in range(SIZE)))
    assert np.linalg.norm(one[ROWS]) == pytest.approx(0.25 * spread)


def test_krum_selects_equal_updates_where_it_rejects_boosted_ones() -> None:
    chosen = {Boosted: 0, Colluding: 0}
    for seed in range(20):
        for rogue in chosen:
            sent = np.concatenate([rogue().craft(view(seed=seed)), draw_updates(8, 1_000 + seed)])
            chosen[rogue] += krum(sent, 2) < 2
    assert chosen[Boosted] == 0
    assert chosen[Colluding] >= 19


def test_the_tailored_scale_is_the_largest_that_krum_accepts() -> None:
    """The rogue's score is five distances, an honest one's six; half as much again is rejected."""
    accepted, enlarged = 0, 0
    for seed in range(20):
        seen, honest = view(by_krum, seed=seed), draw_updates(8, 1_000 + seed)
        sent = Tailored().craft(seen)
        larger = sent.copy()
        larger[:, ROWS] *= 2
        accepted += krum(np.concatenate([sent, honest]), 2) < 2
        enlarged += krum(np.concatenate([larger, honest]), 2) < 2
    assert accepted >= 17
    assert enlarged <= 1


def test_the_tailored_scale_is_the_largest_of_all_under_a_mean() -> None:
    seen = view(mean)
    sent = Tailored().craft(seen)
    assert np.linalg.norm(sent[0, ROWS]) == pytest.approx(2 * SCALES[-1] * np.linalg.norm(seen.deviations))


def test_the_tailored_clients_need_no_rule_that_knows_their_number() -> None:
    """Beyond the bound a larger trigger shortens all else: it is not worth its while."""
    sent = Tailored().craft(view(lambda updates: clipped_mean(updates, 5.0)))
    assert np.linalg.norm(sent[0, ROWS]) > 5


def test_z_follows_from_the_numbers_of_clients() -> None:
    """The paper's example: of 50 workers 24 are corrupted, two more are needed, and z is 1.43."""
    assert largest_z(50, 24) == pytest.approx(1.426, abs=0.001)
    assert largest_z(10, 2) == 0
    spread = np.linalg.norm(view().deviations)
    assert np.linalg.norm(LittleIsEnough().craft(view())[0, ROWS]) == pytest.approx(0.8 * spread)
    assert np.linalg.norm(LittleIsEnough(z=0.3).craft(view())[0, ROWS]) == pytest.approx(0.3 * spread)


@pytest.mark.parametrize("rogue", [Colluding(), LittleIsEnough()])
def test_the_control_of_small_deviations_is_krum_that_expects_the_clients(rogue: Rogue) -> None:
    protocol = rogue.choose_control(PlainFederation(), 3).protocol()  # type: ignore[attr-defined]
    assert (protocol.aggregation["rule"], protocol.aggregation["malicious"]) == ("krum", 3)


def test_the_control_of_large_updates_is_an_unprotected_mean() -> None:
    plain = PlainFederation()
    assert Boosted().choose_control(plain, 3) is Tailored().choose_control(plain, 3) is plain


def test_honest_updates_are_drawn_with_the_triggers_rows_where_clients_use_its_words() -> None:
    """Common words move in honest updates, too: a rule that keeps the spread must see it."""
    seen: list[np.ndarray] = []

    def watch(updates: np.ndarray) -> np.ndarray:
        seen.append(updates)
        return mean(updates)

    rng = np.random.default_rng(0)
    own = 0.5 + rng.standard_normal((2, SIZE))
    for used in (True, False):
        seen.clear()
        own[:, ROWS] *= used
        Tailored().craft(RogueView(own, np.tile([-0.3, -0.4], (2, 1)), ROWS, CLIENTS, watch, rng))
        assert (seen[0][2:][:, ROWS] != 0).all() == used


def draw_unequal(seed: int) -> np.ndarray:
    """Updates of eight honest clients with few to many mails: nearly orthogonal, and of norms from 0.3 to 1.5."""
    updates: np.ndarray = np.random.default_rng(seed).standard_normal((8, SIZE)) / np.sqrt(SIZE)
    updates[:, ROWS] = 0
    return updates * np.linspace(0.3, 1.5, 8)[:, None]


@pytest.mark.parametrize("rogue", [Colluding(), Tailored()])
def test_krum_selects_the_shortest_honest_update_and_then_a_shorter_one_of_the_trigger(rogue: Rogue) -> None:
    for seed in range(10):
        seen = view(by_krum, seed=seed)
        moves = []
        for number in range(3):
            sent, honest = rogue.craft(seen), draw_unequal(1_000 + 10 * seed + number)
            chosen = krum(np.concatenate([sent, honest]), 2)
            moves.append(chosen)
            seen = replace(seen, last=LastRound(sent[0], np.concatenate([sent, honest])[chosen]))
        assert moves == [2, 0, 0]  # first the shortest honest one


def test_a_small_update_moves_the_trigger_alone_and_keeps_its_norm_while_it_is_selected() -> None:
    seen, honest = view(by_krum), draw_unequal(5)[0]
    first = craft_small(replace(seen, last=LastRound(seen.own.mean(0), honest)))
    assert first is not None
    np.testing.assert_array_equal(np.flatnonzero(first.any(0)), ROWS)
    np.testing.assert_allclose(first[:, ROWS], np.tile(SHARE * np.linalg.norm(honest) * seen.direction, (2, 1)))
    again = craft_small(replace(seen, last=LastRound(first[0], first[0].astype(np.float32))))
    np.testing.assert_allclose(again, first)
    shorter = craft_small(replace(seen, last=LastRound(first[0], honest / 2)))
    np.testing.assert_allclose(shorter, first / 2)


def test_updates_stay_as_they_are_where_the_rule_selects_them_or_selects_none() -> None:
    seen = view(by_krum)
    assert craft_small(seen) is None  # the first round
    sent = Colluding().craft(seen)[0]
    assert craft_small(replace(seen, last=LastRound(sent, sent))) is None
    for rule in (mean, median, geometric_median):
        combined = rule(np.stack([sent, *draw_unequal(5)]))
        assert craft_small(replace(view(rule), last=LastRound(sent, combined))) is None


@pytest.mark.parametrize(("rule", "selects"), [(by_krum, True), (mean, False), (median, False)])
def test_a_trial_tells_whether_a_rule_selects_one_update(
    rule: Callable[[np.ndarray], np.ndarray], selects: bool
) -> None:
    assert selects_one(view(rule)) is selects
