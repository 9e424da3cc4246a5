"""Image search by match scores without gradients: an evolution strategy on principal components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Width
from veilbench.families.templates.attacks.principal_components import principal_components

Answers = Callable[[np.ndarray], np.ndarray]  # images, shape (n, p, c, h, w), p per victim -> (n, p)
FIRST_STEP, SHRINK = 0.7, 0.97  # initial step in standard deviations of the components; its factor per generation


@dataclass(frozen=True)
class EvolutionSearch:
    """Settings of the evolution strategy.

    Attributes:
        population: number of candidates per generation, one query each; even, because they come in opposite pairs.
        components: number of principal components of the auxiliary images; candidates are their linear combinations.

    Raises:
        ValueError: `population` is odd.
    """

    population: Annotated[Width, Ge(4)] = 20
    components: Annotated[Width, Ge(2)] = 64

    def __post_init__(self) -> None:
        if self.population % 2:
            raise ValueError(f"population={self.population} must be even: candidates are tried in opposite pairs")


@dataclass(frozen=True)
class Subspace:
    """A linear subspace of images, with coordinates in which the auxiliary images have variance 1.

    Attributes:
        mean: mean image, shape (c, h, w).
        basis: one scaled principal component per coordinate, shape (coordinates, c h w).
    """

    mean: np.ndarray
    basis: np.ndarray

    @classmethod
    def fit(cls, images: np.ndarray, components: int) -> Subspace:
        """Fit a subspace to images of shape (n, c, h, w)."""
        flat = images.reshape(len(images), -1)
        basis = principal_components(flat, components)
        spread = ((flat - flat.mean(0)) @ basis.T).std(0)
        return cls(images.mean(0), basis * spread[:, None])

    def images(self, coordinates: np.ndarray) -> np.ndarray:
        """Return the images of coordinates, shape (..., coordinates) to (..., c, h, w), clipped to [0, 1]."""
        images = (coordinates @ self.basis).reshape(*coordinates.shape[:-1], *self.mean.shape) + self.mean
        return np.asarray(np.clip(images, 0, 1), np.float32)

    def coordinates(self, images: np.ndarray) -> np.ndarray:
        """Return the coordinates nearest to images of shape (n, c, h, w), shape (n, coordinates)."""
        flat = (images - self.mean).reshape(len(images), -1)
        return np.asarray(flat @ self.basis.T / (self.basis**2).sum(1))


def evolution_strategy(
    answers: Answers, space: Subspace, start: np.ndarray, queries: int, population: int, rng: np.random.Generator
) -> np.ndarray:
    """Maximise the answers by an evolution strategy, for all victims at once, and return its last coordinates.

    Each generation evaluates `population` points around the current one, in opposite pairs, and moves to the mean of
    the better half, weighted by rank (Hansen and Ostermeier 2001, equations 2 and 3). The step size is not adapted as
    in the paper, but shrinks by a fixed factor.

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
    coordinates, step = start.astype(np.float64), FIRST_STEP
    better = population // 2
    weights = np.log(better + 0.5) - np.log(np.arange(1, better + 1))
    weights /= weights.sum()
    for _ in range(queries // population):
        half = rng.standard_normal((len(coordinates), better, coordinates.shape[1]))
        candidates = coordinates[:, None] + step * np.concatenate([half, -half], 1)
        scores = answers(space.images(candidates.astype(np.float32)))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :better]
        best = np.take_along_axis(candidates, order[:, :, None], 1)
        informative = (scores.max(1) > scores.min(1))[:, None]  # equal answers carry no information
        coordinates = np.where(informative, (weights[None, :, None] * best).sum(1), coordinates)
        step *= SHRINK
    return np.asarray(coordinates, np.float32)
