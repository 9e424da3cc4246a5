"""Sensor model: what makes two impressions of one finger differ."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from veilbench.bench.limits import NotNegative
from veilbench.families.templates.data.prints.ridges import EXTENT, PIXELS

Share = Annotated[float, Ge(0), Le(1)]
Amount = NotNegative
DARKEST, STEEPNESS, FADING = 0.12, 3.0, 0.06  # grey level of a ridge; steepness of its edge; width of the print's edge
SCRATCH = 0.012  # half the width of a scratch; the sensor is 2 units wide


class Sensor:
    """Draws impressions of a master print. If all arguments are 0, all impressions of a finger are the same.

    With the defaults, matching by correlation of shifted images has about the same error rate as on FVC2000 DB1_B at
    96 x 96 pixels.

    Args:
        rotation: standard deviation of the rotation, in degrees.
        translation: standard deviation of the shift along each axis, as a share of the sensor's width.
        distortion: standard deviation of the skin's stretching, as a share of the sensor's width.
        pressure: standard deviation of the shift of the ridges' height, which is in -1 to 1: dry fingers have thin
            ridges, wet fingers thick ones.
        partial: maximum share of the print's width and height that is missing.
        noise: standard deviation of the noise on the grey levels in [0, 1]; it also scales gaps and blots on the
            ridges.
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

    def generate_impression(self, master: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw one impression.

        Args:
            master: the finger's ridges, shape (PIXELS, PIXELS), float32.
            size: width and height of the image, in pixels.
            rng: source of all random numbers.

        Returns:
            Dark ridges on white, shape (size, size), uint8.
        """
        from veilbench.families.templates.data.prints.kernels import interpolate

        coordinates = (np.arange(size) + 0.5) / size * 2 - 1
        x, y = self._draw_coordinates(coordinates, rng)
        ridges = np.empty((size, size), np.float32)
        scale = PIXELS / (2 * EXTENT)
        interpolate(master, (EXTENT - y) * scale - 0.5, (x + EXTENT) * scale - 0.5, ridges)
        ridges += rng.normal(0, self.pressure) + self.pressure * draw_smooth_function(coordinates, 2, rng) / 2
        ridges += 4 * self.noise * draw_smooth_function(coordinates, max(2, min(size // 6, 16)), rng)
        inked = self._draw_contact(x, y, coordinates, rng) / (1 + np.exp(-STEEPNESS * ridges))
        inked *= self._draw_scratches(x, y, rng)
        grey = 1 - (1 - DARKEST) * inked + rng.normal(0, self.noise, (size, size))
        return np.asarray(np.rint(np.clip(grey, 0, 1) * 255), np.uint8)

    def _draw_coordinates(self, coordinates: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the finger's position; return its coordinates x and y at each pixel, shape (size, size) each."""
        x, y = np.meshgrid(coordinates, -coordinates)
        angle = np.deg2rad(rng.normal(0, self.rotation))
        shift = rng.normal(0, 2 * self.translation, 2)
        stretch = [2 * self.distortion * draw_smooth_function(coordinates, 3, rng) for _ in range(2)]
        cosine, sine = np.cos(angle), np.sin(angle)
        return cosine * x - sine * y + shift[0] + stretch[0], sine * x + cosine * y + shift[1] + stretch[1]

    def _draw_contact(
        self, x: np.ndarray, y: np.ndarray, coordinates: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw which part of the finger touches the sensor, shape (size, size): 1 for contact, 0 for none."""
        missing, direction = rng.uniform(0, self.partial), rng.uniform(0, 2 * np.pi)
        across, along = (x - missing * np.cos(direction)) / 0.98, (y - missing * np.sin(direction)) / 1.12
        edge = np.sqrt(across**2 + along**2) + 0.5 * self.noise * draw_smooth_function(coordinates, 8, rng)
        return np.asarray(1 / (1 + np.exp(np.clip((edge - (1 - missing)) / FADING, -50, 50))))

    def _draw_scratches(self, x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw scratches; return the share of intact skin, shape (size, size): 1, and near 0 on scratches."""
        intact = np.ones_like(x)
        for _ in range(rng.poisson(self.scratches)):
            angle, middle, half = rng.uniform(0, np.pi), rng.uniform(-0.8, 0.8, 2), rng.uniform(0.1, 0.7)
            along = (x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)
            across = (x - middle[0]) * np.sin(angle) - (y - middle[1]) * np.cos(angle)
            intact *= 1 - 0.9 * np.exp(-((across / (2 * SCRATCH)) ** 2)) * (np.abs(along) < half)
        return intact


def draw_smooth_function(coordinates: np.ndarray, waves: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a random smooth function over a square, with standard deviation about 1.

    Args:
        coordinates: coordinates in [-1, 1] along each axis of the square, shape (size,).
        waves: number of cosines along each axis; the more, the finer.
        rng: source of the cosines' weights.
    """
    basis = np.cos(np.outer(coordinates + 1, np.arange(1, waves + 1)) * np.pi / 2)
    return np.asarray(basis @ rng.normal(0, 2 / waves, (waves, waves)) @ basis.T)
