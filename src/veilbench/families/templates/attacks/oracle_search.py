"""Images improved by answers alone: an evolution strategy in the space of a few principal components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veilbench.families.templates.attacks.decoders import principal

Answers = Callable[[np.ndarray], np.ndarray]  # images of shape (n, p, c, h, w), p for each victim, to (n, p)
FIRST_STEP, SHRINK = 0.7, 0.97  # in standard deviations of the components; each generation's part of the last


@dataclass(frozen=True)
class Subspace:
    """Images by coordinates in which the auxiliary ones have variance 1.

    Attributes:
        mean: shape (c, h, w).
        basis: shape (coordinates, c h w).
    """

    mean: np.ndarray
    basis: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, components: int) -> Subspace:
        """Fitted to images of shape (n, c, h, w)."""
        flat = images.reshape(len(images), -1)
        basis = principal(flat, components)
        spread = ((flat - flat.mean(0)) @ basis.T).std(0)
        return cls(images.mean(0), basis * spread[:, None])

    def images(self, places: np.ndarray) -> np.ndarray:
        """Shape (..., coordinates) to (..., c, h, w), in [0, 1]."""
        made = (places @ self.basis).reshape(*places.shape[:-1], *self.mean.shape) + self.mean
        return np.asarray(np.clip(made, 0, 1), np.float32)

    def places(self, images: np.ndarray) -> np.ndarray:
        """The coordinates nearest to images of shape (n, c, h, w)."""
        flat = (images - self.mean).reshape(len(images), -1)
        return np.asarray(flat @ self.basis.T / (self.basis**2).sum(1))


def evolved(
    answers: Answers, space: Subspace, start: np.ndarray, queries: int, population: int, rng: np.random.Generator
) -> np.ndarray:
    """The places that an evolution strategy ends at, one for each victim, all victims at once.

    Each generation asks about `population` places around the present one, in pairs of opposite ones, and moves to the
    mean of the better half, weighted by rank (Hansen and Ostermeier 2001, equations 2 and 3, without their adaptation
    of the step, which shrinks by a fixed part here).

    Args:
        answers: the higher, the better.
        space: of the images.
        start: shape (n, coordinates).
        queries: for each victim, at most.
        population: even.
        rng: draws everything.
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
        told = (found.max(1) > found.min(1))[:, None]  # where all answers are the same, nothing was learned
        places = np.where(told, (weights[None, :, None] * chosen).sum(1), places)
        step *= SHRINK
    return np.asarray(places, np.float32)
