"""Images assembled from pieces of the attacker's own, chosen by a regression of the match scores.

A match score is nearly linear in local properties of the presented image, such as the direction of its ridges, whatever
features the system computes. So a few hundred scores tell what the victim's image looks like where, without the
system's weights. The regression is linear recovery from scores; its weights are drawn from their posterior, which
balances what is known with what is not (Thompson 1933). Its weights resemble the properties of an image, so its prior
has the covariance of the attacker's own images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from veilbench.families.templates.schemes.structure_tensor import mean_channel, sum_cells, sum_structure_tensor

PROPERTIES = 3  # of a cell: direction of its edges as cosine and sine of the double angle, and brightness
FLAT = 1e-3  # share of the mean gradient that is added to each cell's own, so that flat cells have no direction
SMOOTH, REACH = 0.6, 2.0  # standard deviation of a piece's mask, and where it ends, in cells from its centre
PENALTIES = np.logspace(-3, 2, 16)  # of the regression, in mean squared singular values; leave-one-out chooses
NOISE_FLOOR = 0.05  # share of the mean variance of the own images' properties that is added to every direction
SPREAD = 0.3  # standard deviation of the drawn weights, in those of the posterior


class Assembler:
    """Learns from the scores of each victim's queries, and assembles images that should score higher.

    Args:
        own: the attacker's images, shape (m, c, h, w).
        scores: match scores of the first q of them, shape (n, q).
        cells: number of cells along each side of an image.
    """

    def __init__(self, own: np.ndarray, scores: np.ndarray, cells: int) -> None:
        self._pieces = Pieces(own, cells)
        described = self._pieces.described.reshape(len(own), -1)
        self._root = factor_covariance(described).astype(np.float32)
        known = described[: scores.shape[1]] @ self._root
        self._asked, self._scores = np.broadcast_to(known, (len(scores), *known.shape)), scores

    def learn(self, images: np.ndarray, scores: np.ndarray) -> None:
        """Add queries, images of shape (n, p, c, h, w) and their scores of shape (n, p)."""
        n, p = scores.shape
        described = describe_cells(images.reshape(n * p, *images.shape[2:]), self._pieces.described.shape[1])
        self._asked = np.concatenate([self._asked, described.reshape(n, p, -1) @ self._root], 1)
        self._scores = np.concatenate([self._scores, scores], 1)

    def draw(self, images: np.ndarray, rng: np.random.Generator) -> None:
        """Assemble images for each victim into an array of shape (n, p, c, h, w): the first by the estimate itself."""
        for place, asked, scores in zip(images, self._asked, self._scores, strict=True):
            weights = draw_weights(asked, scores, len(place), rng).astype(np.float32) @ self._root.T
            place[:] = self._pieces.assemble(weights.reshape(len(place), *self._pieces.described.shape[1:]))


def factor_covariance(described: np.ndarray) -> np.ndarray:
    """Return a matrix R of which R R' is the covariance of properties, shape (m, d) to (d, d), with a small floor."""
    centred = described - described.mean(0, dtype=float)
    covariance = centred.T @ centred / max(len(centred) - 1, 1)  # of one image: none
    floor = NOISE_FLOOR * float(np.trace(covariance)) / len(covariance) + np.finfo(np.float32).tiny
    return np.linalg.cholesky(covariance + floor * np.eye(len(covariance)))


def describe_cells(images: np.ndarray, cells: int) -> np.ndarray:
    """Describe each cell of a grid by the direction of its edges and its brightness.

    Args:
        images: images of shape (m, c, h, w); the mean over the channels is described.
        cells: number of cells along each side; at most h and w.

    Returns:
        Properties, shape (m, cells, cells, 3): the structure tensor's direction as cosine and sine of the double angle,
        which is 0 in flat cells, and the mean brightness minus 0.5.
    """
    grey = mean_channel(images)
    tensor, pixels = sum_structure_tensor(grey, cells), sum_cells(np.ones_like(grey[:1]), cells)
    directions, strength = tensor[:, :2] / pixels, tensor[:, 2] / pixels
    total = strength + FLAT * strength.mean() + np.finfo(np.float32).tiny
    brightness = sum_cells(grey, cells) / pixels - 0.5
    return np.stack([*(directions / total[:, None]).swapaxes(0, 1), brightness], -1).astype(np.float32)


def draw_weights(described: np.ndarray, scores: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Regress the scores on the properties of the presented images by ridge regression, and draw its weights.

    Args:
        described: properties of the images, shape (q, d).
        scores: their match scores, shape (q,).
        count: number of weight vectors.
        rng: source of the draws.

    Returns:
        Weights, shape (count, d): the estimate, then draws around it from the posterior, narrowed by `SPREAD`.
    """
    centred, target = (part - part.mean(0) for part in (described.astype(float), scores.astype(float)))
    squares, turned, expand = _principal_axes(centred)
    seen = turned.T @ target
    penalties = PENALTIES * (float(squares.sum() / min(centred.shape)) or 1.0)  # equal images say nothing
    errors = _leave_one_out(turned, squares, target, penalties)
    penalty, error = penalties[int(np.argmin(errors))], errors.min()
    noise = rng.standard_normal((count, len(squares))) * np.sqrt(error / (squares + penalty))
    noise[0] = 0
    return expand(seen / (squares + penalty) + SPREAD * noise)


def _principal_axes(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return the directions in which centred rows vary, from the smaller one of their two Gram matrices.

    Args:
        centred: rows with mean 0, shape (q, d).

    Returns:
        The sum of squares along each of r axes, shape (r,); the rows along the axes, shape (q, r); and a function that
        turns vectors along the axes, shape (n, r), into vectors of shape (n, d).
    """
    wide = len(centred) < centred.shape[1]
    squares, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    varying = squares > np.finfo(np.float32).eps * squares.max()
    squares, vectors = squares[varying], vectors[:, varying]
    if not wide:
        return squares, centred @ vectors, lambda along: along @ vectors.T
    lengths = np.sqrt(squares)
    return squares, vectors * lengths, lambda along: (along / lengths) @ vectors.T @ centred


def _leave_one_out(turned: np.ndarray, squares: np.ndarray, target: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Return the mean squared leave-one-out error of ridge regressions from the principal axes, one per penalty."""
    shrunk = 1 / (squares[:, None] + penalties)
    influence = (turned**2 @ shrunk + 1 / len(target)).clip(max=0.99)
    residuals = target[:, None] - turned @ ((turned.T @ target)[:, None] * shrunk)
    return np.asarray(((residuals / (1 - influence)) ** 2).mean(0))


class Pieces:
    """The attacker's images, cut into overlapping pieces with smooth edges, one per cell.

    Args:
        own: the attacker's images, shape (m, c, h, w).
        cells: number of cells along each side.
    """

    def __init__(self, own: np.ndarray, cells: int) -> None:
        self.own, self.described = np.ascontiguousarray(own, np.float32), describe_cells(own, cells)
        self._down, self._right = (_smooth_cells(side, cells) for side in own.shape[-2:])

    def assemble(self, weights: np.ndarray) -> np.ndarray:
        """Put together, cell by cell, the images whose properties are worth most.

        Args:
            weights: worth of each property of each cell, shape (p, cells, cells, 3).

        Returns:
            Images, shape (p, c, h, w), float32.
        """
        from veilbench.families.templates.attacks.assembly_kernels import add_pieces

        worth = weights.transpose(1, 2, 0, 3) @ self.described.transpose(1, 2, 3, 0)  # (cells, cells, p, m)
        images = np.zeros((len(weights), *self.own.shape[1:]), np.float32)
        (down, rows), (right, columns) = self._down, self._right
        add_pieces(self.own, worth.argmax(-1), down, right, rows, columns, images)
        return images


def _smooth_cells(side: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of each pixel along a side in each cell, and the pixels where a cell's weights are above 0.

    Returns:
        Weights, shape (cells, side), float32; those of a pixel sum to 1. The first pixel of each cell, and the one
        after its last, shape (cells, 2).
    """
    away = (np.arange(side) + 0.5) * cells / side - (np.arange(cells)[:, None] + 0.5)
    weights = np.exp(-(away**2) / (2 * SMOOTH**2)) * (abs(away) <= REACH)
    weights = np.asarray(weights / weights.sum(0), np.float32)
    return weights, np.array([np.flatnonzero(cell)[[0, -1]] + [0, 1] for cell in weights])
