"""Generated images: each person has two crossed gratings, each image another phase, contrast and noise."""

import numpy as np

from veilbench.families.templates import RawIdentities


class Gratings:
    """Generates images of gratings.

    Args:
        people: number of people.
        impressions: number of images of each person.
        size: height and width of an image in pixels.
        seed: seed of everything random.
    """

    def __init__(self, people: int = 200, impressions: int = 6, size: int = 32, seed: int = 0) -> None:
        self.people, self.impressions, self.size, self.seed = people, impressions, size, seed

    def read(self) -> RawIdentities:
        """Generate all images."""
        rng = np.random.default_rng(self.seed)
        count = self.people * self.impressions
        people = np.repeat(np.arange(self.people), self.impressions)
        angles = rng.uniform(0, np.pi, (self.people, 2))[people]
        waves = rng.uniform(4, 9, (self.people, 2))[people]
        y, x = np.mgrid[: self.size, : self.size]
        along = x * np.cos(angles)[..., None, None] + y * np.sin(angles)[..., None, None]
        phases = rng.uniform(0, 2 * np.pi, (self.people, 2))[people] + rng.normal(0, 0.5, (count, 2))
        sums = np.sin(2 * np.pi * along / waves[..., None, None] + phases[..., None, None]).sum(1)
        noisy = 0.5 + rng.uniform(0.1, 0.2, (count, 1, 1)) * sums + rng.normal(0, 0.05, sums.shape)
        images = np.uint8(255 * noisy.clip(0, 1))[:, None]
        return RawIdentities(images, people, np.tile(np.arange(self.impressions), self.people))
