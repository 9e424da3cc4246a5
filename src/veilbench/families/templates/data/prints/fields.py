"""Orientation and period of a finger's ridges.

Orientations follow the zero-pole model (Sherlock and Monro 1993, "A model for interpreting fingerprint topology"):
half the sum of the angles to the loops' centres (cores), minus those to the triangles' centres (deltas).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PATTERNS = ("arch", "loop", "whorl")
Points = tuple[complex, ...]


@dataclass(frozen=True)
class Anatomy:
    """Properties that all impressions of a finger share, apart from its ridges.

    Attributes:
        pattern: pattern type, one of `PATTERNS`.
        cores: centres of loops, as complex numbers x + iy.
        deltas: points where three ridge systems meet, as complex numbers.
        hill: height, width and x position of an arch's hill; the height is 0 for other patterns.
        curl: downward bend of the ridges at the sides of the fingertip, in radians at x = 1.
        waves: weights of smooth deviations of the direction (in radians) and of the ridges' width (as a fraction),
            shape (2, 3, 3).
    """

    pattern: str
    cores: Points
    deltas: Points
    hill: tuple[float, float, float]
    curl: float
    waves: np.ndarray


def draw_anatomy(pattern: str, rng: np.random.Generator) -> Anatomy:
    """Draw a random finger of one pattern type."""
    height = rng.uniform(0.55, 0.95) if pattern == "arch" else 0.0
    hill = (height, rng.uniform(0.4, 0.6), rng.normal(0, 0.08))
    centre = complex(rng.normal(0, 0.07), rng.normal(0.12, 0.08))
    cores, deltas = _draw_singular_points(pattern, centre, rng)
    curl, waves = rng.uniform(0.5, 0.8), rng.normal(0, 1, (2, 3, 3)) * np.array([0.07, 0.05])[:, None, None]
    return Anatomy(pattern, cores, deltas, hill, curl, waves)


def _draw_singular_points(pattern: str, centre: complex, rng: np.random.Generator) -> tuple[Points, Points]:
    core_distance, side = rng.uniform(0.1, 0.4), rng.choice([-1, 1])
    tilt = np.exp(1j * rng.normal(0, 0.25))
    right_offset, left_offset = rng.uniform(0.45, 0.75, 2) - 1j * rng.uniform(0.45, 0.8, 2)
    if pattern == "arch":
        return (), ()
    if pattern == "loop":
        return (centre,), (centre + complex(side * right_offset.real, right_offset.imag),)
    return (centre + 0.5j * core_distance * tilt, centre - 0.5j * core_distance * tilt), (
        centre + right_offset,
        centre - left_offset.conjugate(),
    )


def _evaluate_waves(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Evaluate a smooth function: a weighted sum of products of low-frequency cosines; shape of `x + y`."""
    across, along = (np.stack([np.cos(k * np.pi * (c + 1) / 2) for k in range(3)]) for c in (x, y))
    fading = weights / (1 + np.add.outer(np.arange(3), np.arange(3)))
    return np.asarray(np.einsum("k...,kl,l...->...", across, fading, along, optimize=True))


def ridge_orientation(finger: Anatomy, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the ridge direction relative to the x axis at each point, in radians, modulo pi.

    Args:
        finger: anatomy of the finger.
        x: coordinates to the right.
        y: coordinates upwards, of the same shape or of one that broadcasts with it.
    """
    z = x + 1j * y
    angle = sum((np.angle(z - core) for core in finger.cores), np.zeros(z.shape))
    angle = angle - sum((np.angle(z - delta) for delta in finger.deltas), np.zeros_like(x))
    height, width, position = finger.hill
    shape = np.exp(-(((x - position) / width) ** 2) / 2) * np.exp(-(((y + 0.1) / 0.55) ** 2))
    hill = np.arctan(-height * (x - position) / width**2 * shape)
    above = 1 / (1 + np.exp(-(y - 0.1) / 0.2))
    return np.asarray(angle / 2 + hill - finger.curl * x * above + _evaluate_waves(x, y, finger.waves[0]))


def ridge_period(finger: Anatomy, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the ridge distance at each point, as a factor: about 1, larger at the bottom, with smooth deviations.

    Args:
        finger: anatomy of the finger.
        x: coordinates to the right.
        y: coordinates upwards, of the same shape or of one that broadcasts with it.
    """
    return np.asarray(1 + 0.08 * np.clip(-y - 0.3, 0, 1) + _evaluate_waves(x, y, finger.waves[1]))
