"""Sensor model: what makes two impressions of one finger differ."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.limits import NotNegative
from veilbench.families.templates.data.prints.ridges import EXTENT, PIXELS

Share = Annotated[float, Ge(0), Le(1)]
Amount = NotNegative
DARKEST, STEEPNESS, FADING = 0.12, 3.0, 0.06  # a ridge's grey; its edge; the width of the print's edge
SCRATCH = 0.012  # half the width of a scratch, where the sensor is 2 wide


class Sensor:
    """Draws impressions of a master print. With every amount at 0 all impressions of a finger are the same.

    With the defaults, plain correlation of shifted images errs about as often as on FVC2000 DB1_B at 96 x 96 pixels.

    Args:
        rotation: standard deviation of the rotation, in degrees.
        translation: standard deviation of the shift along each axis, as a share of the sensor's width.
        distortion: standard deviation of the skin's stretching, as a share of the sensor's width.
        pressure: standard deviation of the ridges' thickness between dry and wet, where a ridge's height is -1 to 1.
        partial: the largest share of the print's width and height that may be missing.
        noise: standard deviation of the grey levels' noise, and of the gaps and blots on the ridges.
        scratches: mean number of scratches.
    """

    def __init__(
        self,
        rotation: Amount = 7.0,
        translation: Share = 0.03,
        distortion: Share = 0.015,
        pressure: Amount = 0.25,
        partial: Share = 0.3,
        noise: Amount = 0.08,
        scratches: Annotated[float, Ge(0), Le(1_000)] = 1.0,
    ) -> None:
        if partial >= 1:
            raise ValueError(f"partial={partial} must be below 1: something of the print must be left")
        self.rotation, self.translation, self.distortion = rotation, translation, distortion
        self.pressure, self.partial, self.noise, self.scratches = pressure, partial, noise, scratches

    def impression(self, master: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw one impression.

        Args:
            master: the finger's ridges, shape (PIXELS, PIXELS), float32.
            size: width and height of the image, in pixels.
            rng: source of all random numbers.

        Returns:
            Dark ridges on white, shape (size, size), uint8.
        """
        from veilbench.families.templates.data.prints.kernels import sampled

        places = (np.arange(size) + 0.5) / size * 2 - 1
        x, y = self._on_the_finger(places, rng)
        ridges = np.empty((size, size), np.float32)
        scale = PIXELS / (2 * EXTENT)
        sampled(master, (EXTENT - y) * scale - 0.5, (x + EXTENT) * scale - 0.5, ridges)
        ridges += rng.normal(0, self.pressure) + self.pressure * smooth(places, 2, rng) / 2
        ridges += 4 * self.noise * smooth(places, max(2, min(size // 6, 16)), rng)
        inked = self._contact(x, y, places, rng) / (1 + np.exp(-STEEPNESS * ridges))
        inked *= self._unscratched(x, y, rng)
        grey = 1 - (1 - DARKEST) * inked + rng.normal(0, self.noise, (size, size))
        return np.asarray(np.rint(np.clip(grey, 0, 1) * 255), np.uint8)

    def _on_the_finger(self, places: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the finger coordinates x and y of each sensor pixel, shape (size, size) each."""
        x, y = np.meshgrid(places, -places)
        angle = np.deg2rad(rng.normal(0, self.rotation))
        shift = rng.normal(0, 2 * self.translation, 2)
        stretch = [2 * self.distortion * smooth(places, 3, rng) for _ in range(2)]
        cosine, sine = np.cos(angle), np.sin(angle)
        return cosine * x - sine * y + shift[0] + stretch[0], sine * x + cosine * y + shift[1] + stretch[1]

    def _contact(self, x: np.ndarray, y: np.ndarray, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the contact of the skin with the sensor, shape (size, size): 1 for contact, 0 for none."""
        lost, direction = rng.uniform(0, self.partial), rng.uniform(0, 2 * np.pi)
        across, along = (x - lost * np.cos(direction)) / 0.98, (y - lost * np.sin(direction)) / 1.12
        edge = np.sqrt(across**2 + along**2) + 0.5 * self.noise * smooth(places, 8, rng)
        return np.asarray(1 / (1 + np.exp(np.clip((edge - (1 - lost)) / FADING, -50, 50))))

    def _unscratched(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the intact skin, shape (size, size): 1, falling to near 0 on scratches."""
        whole = np.ones_like(x)
        for _ in range(rng.poisson(self.scratches)):
            angle, middle, half = rng.uniform(0, np.pi), rng.uniform(-0.8, 0.8, 2), rng.uniform(0.1, 0.7)
            along = (x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)
            across = (x - middle[0]) * np.sin(angle) - (y - middle[1]) * np.cos(angle)
            whole *= 1 - 0.9 * np.exp(-((across / (2 * SCRATCH)) ** 2)) * (np.abs(along) < half)
        return whole


def smooth(places: np.ndarray, waves: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a random smooth function over a square, with standard deviation about 1.

    Args:
        places: coordinates in [-1, 1], shape (size,): the square is `places` by `places`.
        waves: number of cosines along each axis; the more, the finer.
        rng: source of the cosines' weights.
    """
    basis = np.cos(np.outer(places + 1, np.arange(1, waves + 1)) * np.pi / 2)
    return np.asarray(basis @ rng.normal(0, 2 / waves, (waves, waves)) @ basis.T)
