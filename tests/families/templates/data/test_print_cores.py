"""Cores that are found, beside those that a finger was generated with, and in drawn patterns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import rotate

from veilbench.families.templates.data.print_cores import find_cores
from veilbench.families.templates.data.prints.fields import PATTERNS, draw_anatomy
from veilbench.families.templates.data.prints.ridges import grow_ridges
from veilbench.families.templates.data.prints.sensor import Sensor

SIDE, NEAR = 240, 20  # pixels; half circles with straight ends are found a little above their middle


def draw_bend(row: float, column: float) -> np.ndarray:
    """Draw ridges that are half circles above a place, and vertical below it, shape (SIDE, SIDE)."""
    down, right = np.mgrid[:SIDE, :SIDE].astype(float)
    distance = np.where(down < row, np.hypot(down - row, right - column), np.abs(right - column))
    return np.asarray(np.cos(2 * np.pi * distance / 9))


@pytest.mark.parametrize("place", [(100, 130), (150, 80)])
def test_the_end_of_a_bend_is_the_core(place: tuple[int, int]) -> None:
    (found,) = find_cores(draw_bend(*place)[None])
    assert np.abs(found - place).max() < NEAR
    assert abs(found[1] - place[1]) < 4


def test_the_core_moves_with_the_print() -> None:
    found = find_cores(np.stack([draw_bend(100, 130), draw_bend(130, 100)]))
    assert np.abs(found[1] - found[0] - (30, -30)).max() < 4


def test_ridges_that_are_bent_downwards_are_not_it() -> None:
    upwards, downwards = draw_bend(90, 60), draw_bend(70, 180)[::-1]  # the latter ends in row 169
    both = np.where(np.arange(SIDE) < SIDE // 2, upwards, downwards)
    (found,) = find_cores(both[None])
    assert np.abs(found - (90, 60)).max() < NEAR


@pytest.mark.parametrize("angle", [-25, 25])
def test_a_turned_print_has_its_core_at_the_turned_place(angle: float) -> None:
    turned = rotate(draw_bend(120, 120), angle, reshape=False, order=1, mode="nearest")
    assert np.abs(find_cores(turned[None])[0] - 120).max() < NEAR


def test_cores_of_generated_fingers_are_where_they_were_put() -> None:
    images, places, still = [], [], Sensor(*[0.0] * 7)
    for seed in range(24):
        rng = np.random.default_rng(seed)
        anatomy = draw_anatomy(PATTERNS[1 + seed % 2], rng)
        images.append(still.generate_impression(grow_ridges(anatomy, 2, rng), SIDE, rng))
        upper = max(anatomy.cores, key=lambda core: core.imag)
        places.append(((1 - upper.imag) * SIDE / 2, (1 + upper.real) * SIDE / 2))  # the sensor is 2 units wide
    missed = np.hypot(*(find_cores(np.stack(images)) - np.array(places)).T)
    assert np.median(missed) < 12
    assert (missed < 30).mean() > 0.8


def test_two_sides_need_not_be_equal() -> None:
    wide = np.pad(draw_bend(100, 130), ((0, 0), (60, 0)), "reflect")
    assert np.abs(find_cores(wide[None])[0] - (100, 190)).max() < NEAR
