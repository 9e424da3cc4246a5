"""Shadow filters: logistic regressions on bags of words, all trained together, each on mails of its own."""

from __future__ import annotations

import numpy as np

from veilbench.bench.limits import require_room

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # of Adam (Kingma and Ba 2015)


def shadow_logits(
    tokens: np.ndarray,
    labels: np.ndarray,
    inside: np.ndarray,
    questioned: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Each shadow's logits of the mails in question, shape (shadows, questioned).

    All shadows see the same batches, and each counts its own mails alone: one product of sparse counts with the
    matrix of all weights serves them all.

    Args:
        tokens: everything that the attacker has, the mails in question first, shape (n, length).
        labels: shape (n,).
        inside: which shadow learns from which mail, shape (shadows, n), bool.
        questioned: how many mails are in question.
        epochs: through all mails.
        batch_size: mails of a step that a shadow counts, on average.
        learning_rate: of Adam.
        rng: shuffles.
    """
    bags = counts(tokens)
    shares = inside.mean()
    require_room(f"shadows={len(inside)} with {bags.shape[1]} words each", *inside.shape, each=1)
    require_room(f"shadows={len(inside)} with {bags.shape[1]} words each", bags.shape[1], len(inside), each=16)
    weights = np.zeros((bags.shape[1], len(inside)), np.float32)
    moments, step = (np.zeros_like(weights), np.zeros_like(weights)), 0
    for _ in range(epochs):
        order = rng.permutation(len(labels))
        for batch in np.array_split(order, max(1, round(len(order) * shares / batch_size))):
            step += 1
            rows, own = bags[batch], inside[:, batch].T
            wrong = (1 / (1 + np.exp(-(rows @ weights))) - labels[batch, None]) * own
            gradient = rows.T @ (wrong / np.maximum(own.sum(0), 1)).astype(np.float32)
            _adam(weights, gradient, moments, step, learning_rate)
    return np.asarray((bags[:questioned] @ weights).T, np.float64)


def _adam(
    weights: np.ndarray, gradient: np.ndarray, moments: tuple[np.ndarray, np.ndarray], step: int, rate: float
) -> None:
    """One step, in place."""
    first, second = moments
    first += (1 - FIRST) * (gradient - first)
    second += (1 - SECOND) * (gradient**2 - second)
    scale = np.sqrt(second / (1 - SECOND**step)) + TINY
    weights -= (rate / (1 - FIRST**step)) * first / scale


def counts(tokens: np.ndarray):  # type: ignore[no-untyped-def] # a scipy matrix, which has no stubs here
    """How often each word that there is stands in each mail, and a last column of ones; sparse, float32."""
    from scipy.sparse import coo_matrix, csr_matrix, hstack

    rows, columns = np.nonzero(tokens)
    words, places = np.unique(tokens[rows, columns], return_inverse=True)
    ones = np.ones(len(rows), np.float32)
    bags = coo_matrix((ones, (rows, places)), (len(tokens), len(words))).tocsr()
    return hstack([bags, csr_matrix(np.ones((len(tokens), 1), np.float32))], "csr")
