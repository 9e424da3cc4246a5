"""Image search by match scores alone: an evolution strategy in the space of a few principal components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veilbench.families.templates.attacks.decoders import principal

Answers = Callable[[np.ndarray], np.ndarray]  # images, shape (n, p, c, h, w), p per victim -> (n, p)
FIRST_STEP, SHRINK = 0.7, 0.97  # in standard deviations of the components; factor per generation


@dataclass(frozen=True)
class Subspace:
    """Images as coordinates in a linear subspace, in which the auxiliary images have variance 1.

    Attributes:
        mean: mean image, shape (c, h, w).
        basis: one scaled principal component per coordinate, shape (coordinates, c h w).
    """

    mean: np.ndarray
    basis: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, components: int) -> Subspace:
        """Fit a subspace to images of shape (n, c, h, w)."""
        flat = images.reshape(len(images), -1)
        basis = principal(flat, components)
        spread = ((flat - flat.mean(0)) @ basis.T).std(0)
        return cls(images.mean(0), basis * spread[:, None])

    def images(self, places: np.ndarray) -> np.ndarray:
        """Return the images of coordinates, shape (..., coordinates) to (..., c, h, w), clipped to [0, 1]."""
        made = (places @ self.basis).reshape(*places.shape[:-1], *self.mean.shape) + self.mean
        return np.asarray(np.clip(made, 0, 1), np.float32)

    def places(self, images: np.ndarray) -> np.ndarray:
        """Return the coordinates nearest to images of shape (n, c, h, w), shape (n, coordinates)."""
        flat = (images - self.mean).reshape(len(images), -1)
        return np.asarray(flat @ self.basis.T / (self.basis**2).sum(1))


def evolved(
    answers: Answers, space: Subspace, start: np.ndarray, queries: int, population: int, rng: np.random.Generator
) -> np.ndarray:
    """Maximise the answers by an evolution strategy, for all victims at once, and return its last coordinates.

    Each generation evaluates `population` points around the current one, in opposite pairs, and moves to the mean of
    the
    better half, weighted by rank (Hansen and Ostermeier 2001, equations 2 and 3, without their adaptation of the step
    size, which shrinks by a fixed factor here).

    Args:
        answers: returns a score per image; the higher, the better.
        space: subspace of the images.
        start: initial coordinates, shape (n, coordinates).
        queries: maximum number of queries per victim.
        population: points per generation; even.
        rng: source of the random points.

    Returns:
            Coordinates, shape (n, coordinates), float32.
    """
    places, step = start.astype(np.float64), FIRST_STEP
    better = population // 2
    weights = np.log(better + 0.5) - np.log(np.arange(1, better + 1))
    weights /= weights.sum()
    for _ in range(queries // population):
        half = rng.standard_normal((len(places), better, places.shape[1]))
        tried = places[:, None] + step * np.concatenate([half, -half], 1)
        found = answers(space.images(tried.astype(np.float32)))
        order = np.argsort(-found, axis=1, kind="stable")[:, :better]
        chosen = np.take_along_axis(tried, order[:, :, None], 1)
        informative = (found.max(1) > found.min(1))[:, None]  # if all answers are equal, nothing was learned
        places = np.where(informative, (weights[None, :, None] * chosen).sum(1), places)
        step *= SHRINK
    return np.asarray(places, np.float32)
