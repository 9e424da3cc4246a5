"""Generator of synthetic fingerprints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Count, Natural, NotNegative, Seed, Side, require_room
from veilbench.families.templates.data.prints.fields import PATTERNS, draw_anatomy
from veilbench.families.templates.data.prints.ridges import DENSITIES, grow_ridges
from veilbench.families.templates.data.prints.sensor import Sensor
from veilbench.families.templates.data.raw_identities import RawIdentities


class Prints:
    """Generates fingers and several sensor impressions of each.

    Every finger and every impression has its own random generator, so a finger does not depend on the number of
    fingers, and an impression does not depend on the number of impressions.

    Args:
        sensor: model of the variation between impressions of a finger.
        identities: number of different fingers, one identity each.
        impressions: number of impressions of each finger.
        size: width and height of the images, in pixels.
        patterns: shares of arches, loops and whorls; they sum to 1. In the population they are about 0.07, 0.65 and
            0.28. The default has more of the rare patterns, so that guessing the most common one is not already a
            good attribute inference.
        densities: shares of fingers with few, medium and many ridges; they sum to 1.
        seed: seed of all random numbers.
        twins: number of impressions that `generate_twins` generates of each twin; 0 for no twins.
    """

    def __init__(
        self,
        sensor: Sensor,
        identities: Count = 1000,
        impressions: Count = 10,
        size: Annotated[Side, Ge(32)] = 96,
        patterns: Sequence[NotNegative] = (0.2, 0.5, 0.3),
        densities: Sequence[NotNegative] = (0.3, 0.4, 0.3),
        seed: Seed = 0,
        twins: Natural = 2,
    ) -> None:
        for name, shares in (("patterns", patterns), ("densities", densities)):
            if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
                raise ValueError(f"{name}={list(shares)} must be three shares that make 1")
        what = f"identities={identities} x impressions={impressions} of size={size}"
        require_room(what, identities, impressions, size, size, each=1)
        self.sensor, self.identities, self.impressions, self.size = sensor, identities, impressions, size
        self.patterns, self.densities, self.seed, self.twins = list(patterns), list(densities), seed, twins

    def generate_finger(self, identity: int, twin: bool = False) -> tuple[np.ndarray, int, int]:
        """Generate a finger, or its twin, which has the same anatomy and density but other ridges.

        Returns:
            The master print, shape (PIXELS, PIXELS), and the indices of its pattern and density.
        """
        rng = np.random.default_rng([self.seed, identity])
        pattern, density = int(rng.choice(3, p=self.patterns)), int(rng.choice(3, p=self.densities))
        noise = np.random.default_rng([self.seed, identity, 0, 1]) if twin else None
        return grow_ridges(draw_anatomy(PATTERNS[pattern], rng), density, rng, noise), pattern, density

    def generate_impression(self, ridges: np.ndarray, identity: int, number: int, twin: bool = False) -> np.ndarray:
        """Generate one impression of a finger's master print, or of its twin's, shape (size, size), uint8."""
        seed = [self.seed, identity, 1 + number, int(twin)]  # a last 0 does not change the seed
        return self.sensor.generate_impression(ridges, self.size, np.random.default_rng(seed))

    def read(self) -> RawIdentities:
        """Generate all prints, with one thread per core; the result does not depend on the number of threads."""
        return self._generate(np.arange(self.identities), self.impressions)

    def generate_twins(self, identities: np.ndarray, impressions: int | None = None) -> RawIdentities | None:
        """Generate impressions of the twin of each of the given fingers, with the finger's number.

        A twin has its finger's pattern type, ridge directions and ridge distances, but other ridges, so only what
        reads the ridges themselves can tell the two apart.

        Args:
            identities: numbers of the fingers, shape (n,).
            impressions: number of impressions of each twin; None for `twins`.

        Returns:
            The impressions; None if there are none.
        """
        number = self.twins if impressions is None else impressions
        return self._generate(identities, number, twin=True) if number else None

    def _generate_impressions(self, identity: int, impressions: int, twin: bool) -> tuple[np.ndarray, int, int]:
        ridges, pattern, density = self.generate_finger(identity, twin)
        images = [self.generate_impression(ridges, identity, number, twin) for number in range(impressions)]
        return np.stack(images)[:, None], pattern, density

    def _generate(self, identities: np.ndarray, impressions: int, twin: bool = False) -> RawIdentities:
        generate = partial(self._generate_impressions, impressions=impressions, twin=twin)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            images, pattern, density = zip(*pool.map(generate, identities.tolist()), strict=True)
        labels = {"pattern": np.repeat(pattern, impressions), "density": np.repeat(density, impressions)}
        return RawIdentities(
            np.concatenate(images),
            np.repeat(identities, impressions),
            np.tile(np.arange(impressions), len(identities)),
            labels,
            {"pattern": list(PATTERNS), "density": list(DENSITIES)},
        )
