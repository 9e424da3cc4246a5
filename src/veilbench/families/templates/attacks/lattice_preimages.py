"""Preimages of a fuzzy extractor's templates: lattice points are guessed block by block, and hashes confirm them."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.attacks.prior import Prior
from veilbench.families.templates.schemes.lattice_fuzzy_extractor import LatticeFuzzyExtractor, nearest_points
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal

ROUNDS = 5  # guesses, each around what the blocks known so far tell about the others


def decode_blocks(
    scheme: LatticeFuzzyExtractor, template: np.ndarray, key: np.uint64, prior: Prior, samples: np.ndarray
) -> np.ndarray:
    """Return features whose blocks reproduce as many hashes of a template as can be guessed, shape (d,), float32.

    A sketch gives a block of features up to a lattice point, and the block's hash tells whether a guess is right. Each
    round guesses with features like those of `samples`, moved to the posterior mean of the features given the blocks
    that are known. What stays unknown keeps that mean.

    Args:
        scheme: scheme that made the template.
        template: template to invert, shape (numbers,).
        key: user key of the template.
        prior: normal distribution fitted to auxiliary features.
        samples: features to guess with, shape (m, d).
    """
    width = len(prior.mean)
    sketch, hashes = (part[0] for part in scheme.split(template[None]))
    matrix = scheme.scale * draw_orthonormal(width, width, np.random.default_rng(int(key))).astype(np.float64)
    known, blocks = np.zeros(len(sketch), bool), np.zeros_like(sketch)
    expected = prior.mean
    for _ in range(ROUNDS):
        guesses = ((samples - prior.mean + expected) @ matrix).reshape(len(samples), *sketch.shape)
        points = nearest_points(guesses - sketch)
        right = (scheme.hash_points(points) == hashes).all(2) & ~known
        found = right.any(0)
        blocks[found] = (sketch + points[right.argmax(0), np.arange(len(sketch))])[found]
        known |= found
        if known.all() or not found.any():
            break
        columns = np.repeat(known, sketch.shape[1])
        expected = prior.posterior_mean(matrix[:, columns], blocks[known].ravel())
    blocks[~known] = (expected @ matrix).reshape(sketch.shape)[~known]
    return np.asarray(matrix @ blocks.ravel() / scheme.scale**2, np.float32)
