"""Images assembled from pieces of the attacker's own, chosen by a regression of the match scores.

A match score is nearly linear in local properties of the presented image, such as the direction of its ridges, whatever
features the system computes. So a few hundred scores tell what the victim's image looks like where, without the
system's weights. The regression is linear recovery from scores; its weights are drawn from their posterior, which
balances what is known with what is not (Thompson 1933).
"""

from __future__ import annotations

import numpy as np

PROPERTIES = 3  # of a cell: direction of its edges as cosine and sine of the double angle, and brightness
FLAT = 1e-3  # share of the mean gradient that is added to each cell's own, so that flat cells have no direction
SMOOTH = 0.6  # standard deviation of a piece's mask, in cells
PENALTIES = np.logspace(-3, 2, 16)  # of the regression, in mean squared singular values; leave-one-out chooses
SPREAD = 0.3  # standard deviation of the drawn weights, in those of the posterior


class Assembler:
    """Learns from the scores of each victim's queries, and assembles images that should score higher.

    Args:
        own: the attacker's images, shape (m, c, h, w).
        scores: match scores of the first q of them, shape (n, q).
        cells: number of cells along each side of an image.
    """

    def __init__(self, own: np.ndarray, scores: np.ndarray, cells: int) -> None:
        self.own, self.described = own, describe_cells(own, cells)
        known = self.described[: scores.shape[1]]
        self._asked = np.broadcast_to(known, (len(scores), *known.shape))
        self._scores = scores

    def learn(self, images: np.ndarray, scores: np.ndarray) -> None:
        """Add queries, images of shape (n, p, c, h, w) and their scores of shape (n, p)."""
        n, p = scores.shape
        described = describe_cells(images.reshape(n * p, *images.shape[2:]), self.described.shape[1])
        self._asked = np.concatenate([self._asked, described.reshape(n, p, *described.shape[1:])], 1)
        self._scores = np.concatenate([self._scores, scores], 1)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Assemble images for each victim, shape (n, count, c, h, w): the first by the estimate itself."""
        shape = (count, *self.described.shape[1:])
        weights = (
            draw_weights(asked.reshape(len(asked), -1), scores, count, rng).reshape(shape).astype(np.float32)
            for asked, scores in zip(self._asked, self._scores, strict=True)
        )
        return np.stack([assemble(drawn, self.described, self.own) for drawn in weights])


def describe_cells(images: np.ndarray, cells: int) -> np.ndarray:
    """Describe each cell of a grid by the direction of its edges and its brightness.

    Args:
        images: images of shape (m, c, h, w); the mean over the channels is described.
        cells: number of cells along each side; at most h and w.

    Returns:
        Properties, shape (m, cells, cells, 3): the structure tensor's direction as cosine and sine of the double angle,
        which is 0 in flat cells, and the mean brightness minus 0.5.
    """
    grey = images.mean(1)
    down, right = np.gradient(grey, axis=(1, 2))
    across, diagonal, strength, brightness = (
        _average_cells(values, cells) for values in (right**2 - down**2, 2 * right * down, right**2 + down**2, grey)
    )
    total = strength + FLAT * strength.mean() + np.finfo(np.float32).tiny
    return np.stack([across / total, diagonal / total, brightness - 0.5], -1).astype(np.float32)


def _average_cells(values: np.ndarray, cells: int) -> np.ndarray:
    """Average arrays of shape (m, h, w) over the cells of a grid, shape (m, cells, cells)."""
    down, right = (_membership(side, cells) for side in values.shape[1:])
    return np.asarray(down @ values @ right.T)


def _membership(side: int, cells: int) -> np.ndarray:
    """Return the share of each pixel in its cell's mean, shape (cells, side)."""
    inside = np.arange(side) * cells // side == np.arange(cells)[:, None]
    return np.asarray(inside / inside.sum(1, keepdims=True), np.float32)


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
    squares, axes = np.linalg.eigh(centred.T @ centred)
    squares, turned = squares.clip(min=0), centred @ axes
    seen = turned.T @ target
    penalties = PENALTIES * (float(squares.sum() / min(centred.shape)) or 1.0)  # equal images say nothing
    errors = [_leave_one_out(turned, squares, seen, target, penalty) for penalty in penalties]
    penalty, error = penalties[int(np.argmin(errors))], min(errors)
    spread = np.sqrt(error / (squares + penalty)) * (squares > np.finfo(np.float32).eps * squares.max())
    noise = rng.standard_normal((count, len(squares))) * spread
    noise[0] = 0
    return np.asarray((seen / (squares + penalty) + SPREAD * noise) @ axes.T)


def _leave_one_out(
    turned: np.ndarray, squares: np.ndarray, seen: np.ndarray, target: np.ndarray, penalty: float
) -> float:
    """Return the mean squared leave-one-out error of a ridge regression from its principal axes."""
    influence = (turned**2 @ (1 / (squares + penalty)) + 1 / len(target)).clip(max=0.99)
    return float((((target - turned @ (seen / (squares + penalty))) / (1 - influence)) ** 2).mean())


def assemble(weights: np.ndarray, described: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Put together, cell by cell, the images whose properties are worth most, with smooth transitions.

    Args:
        weights: worth of each property of each cell, shape (p, cells, cells, 3).
        described: properties of the own images, shape (m, cells, cells, 3).
        own: the attacker's images, shape (m, c, h, w).

    Returns:
        Images, shape (p, c, h, w), float32.
    """
    worth = weights.transpose(1, 2, 0, 3) @ described.transpose(1, 2, 3, 0)  # (cells, cells, p, m)
    chosen = worth.argmax(-1)
    down, right = (_smooth_cells(side, weights.shape[1]) for side in own.shape[-2:])
    images = np.zeros((len(weights), *own.shape[1:]), np.float32)
    for row, column in np.ndindex(chosen.shape[:2]):
        images += down[row][:, None] * right[column] * own[chosen[row, column]]
    return images


def _smooth_cells(side: int, cells: int) -> np.ndarray:
    """Return each cell's weight at each pixel of a side, shape (cells, side); the weights of a pixel sum to 1."""
    away = (np.arange(side) + 0.5) * cells / side - (np.arange(cells)[:, None] + 0.5)
    weights = np.exp(-(away**2) / (2 * SMOOTH**2))
    return np.asarray(weights / weights.sum(0), np.float32)
