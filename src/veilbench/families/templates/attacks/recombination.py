"""Image search by match scores without gradients: assembled images, and blends of the best images so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from veilbench.bench.limits import Width
from veilbench.families.templates.attacks.assembly import Assembler
from veilbench.families.templates.attacks.oracle_search import Answers, EvolutionSearch

MaskWidth = Annotated[float, Gt(0), Lt(10)]


@dataclass(frozen=True)
class RecombinationSearch:
    """Settings of the recombination search.

    Attributes:
        population: number of new images per generation, one query each.
        parents: number of best images so far that are blended.
        widths: smallest and largest standard deviation of a mask, as a share of the image's side.
        assembled: share of each generation that is assembled from pieces of the own images, see `Assembler`, instead of
            blended; 0 only blends.
        cells: number of pieces along each side of an assembled image, or fewer if the image has fewer pixels.

    Raises:
        ValueError: `widths` is not a smaller and a larger number.
    """

    population: Annotated[Width, Ge(2)] = 40
    parents: Annotated[Width, Ge(2)] = 20
    widths: Sequence[MaskWidth] = (0.1, 0.35)
    assembled: Annotated[float, Ge(0), Lt(1)] = 0.25
    cells: Annotated[Width, Ge(2)] = 12

    def __post_init__(self) -> None:
        if len(self.widths) != 2 or self.widths[0] > self.widths[1]:
            raise ValueError(f"widths={list(self.widths)} must be two numbers, the smaller one first")


@dataclass(frozen=True)
class OracleSearches:
    """Settings of the searches that an attacker with an oracle can choose from.

    Attributes:
        evolution: settings of the evolution strategy.
        recombination: settings of the recombination search.
    """

    evolution: EvolutionSearch = EvolutionSearch()
    recombination: RecombinationSearch = RecombinationSearch()


def draw_masks(
    shape: tuple[int, ...], size: tuple[int, int], widths: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Draw masks that are 1 at a random point and fall to 0 around it, as a Gaussian function does.

    Args:
        shape: shape of the array of masks.
        size: height and width of a mask, in pixels.
        widths: smallest and largest standard deviation, as a share of the side.
        rng: source of the centres and the widths, both uniform.

    Returns:
        Masks, shape (*shape, height, width), float32 in [0, 1].
    """
    narrow, wide = widths
    spread = rng.uniform(narrow, wide, shape)[..., None]
    down, right = (
        np.exp(-(((np.arange(side) + 0.5) / side - rng.random(shape)[..., None]) ** 2) / (2 * spread**2)).astype(
            np.float32
        )
        for side in size
    )
    return np.asarray(down[..., :, None] * right[..., None, :])


def blend_best(
    answers: Answers,
    own: np.ndarray,
    scores: np.ndarray,
    queries: int,
    search: RecombinationSearch,
    rng: np.random.Generator,
) -> np.ndarray:
    """Maximise the answers by recombining own images, for all victims at once; return each one's best image.

    A part of each generation is assembled by what the scores so far tell about the victim's image. The rest are blends
    of the best images so far, one image with a region replaced by that of another: `(1 - mask) a + mask b`. If a
    template depends on an image region by region, a blend inherits what fits from both. Images that score higher than
    the worst of the best replace it. This is hill climbing (Adler 2003; Galbally et al. 2010) whose moves come from a
    dictionary.

    Args:
        answers: returns a score per image; the higher, the better.
        own: the attacker's images, shape (m, c, h, w).
        scores: match scores of the first q of them, shape (n, q).
        queries: maximum number of further queries per victim.
        search: number of parents and of new images, their pieces and masks.
        rng: source of the pairs, of the masks and of the assembled images.

    Returns:
        Images, shape (n, c, h, w), float32.
    """
    rows = np.arange(len(scores))[:, None]
    best = np.argsort(-scores, axis=1, kind="stable")[:, : search.parents]
    images, values = own[best], scores[rows, best]
    blended = search.population - int(search.population * search.assembled)
    made = np.empty((len(scores), search.population, *own.shape[1:]), np.float32)
    assembler = Assembler(own, scores, min(search.cells, *own.shape[-2:])) if blended < search.population else None
    for _ in range(queries // search.population):
        _blend_pairs(images, made[:, :blended], search, rng)
        if assembler:
            assembler.draw(made[:, blended:], rng)
        replies = answers(made)
        if assembler:
            assembler.learn(made, replies)
        images, values = _keep_best(images, values, made, replies)
    return np.asarray(images[:, 0])


def _keep_best(
    images: np.ndarray, values: np.ndarray, made: np.ndarray, replies: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return as many images of each victim as before, the best of old and new ones, and their scores."""
    rows, parents = np.arange(len(values))[:, None], values.shape[1]
    values = np.concatenate([values, replies], 1)
    best = np.argsort(-values, axis=1, kind="stable")[:, :parents]
    kept = images[rows, best % parents]
    is_new = best >= parents
    kept[is_new] = made[np.nonzero(is_new)[0], best[is_new] - parents]
    return kept, values[rows, best]


def _blend_pairs(images: np.ndarray, made: np.ndarray, search: RecombinationSearch, rng: np.random.Generator) -> None:
    """Blend random pairs of different images of each victim, (n, parents, c, h, w), into (n, count, c, h, w)."""
    parents, count = images.shape[1], made.shape[1]
    for own, blends in zip(images, made, strict=True):  # one victim at a time: what is computed stays in the cache
        first = rng.integers(parents, size=count)
        second = (first + rng.integers(1, max(parents, 2), size=count)) % parents
        masks = draw_masks((count,), images.shape[-2:], search.widths, rng)[:, None]
        blends[:] = own[first] + masks * (own[second] - own[first])
