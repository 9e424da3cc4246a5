"""Membership by the optimum: the weights of a penalised fit are a sum over its training mails."""

from __future__ import annotations

import numpy as np

from veilbench.families.mail.data.mail import MailPart
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.schemes.filter import MailFilter

ITERATIONS = 1_000  # of the solver; more tell more, as far as the filter was fitted exactly


def score_optimum(target: MailFilter, mails: MailPart, trained_on: int) -> np.ndarray:
    """Score mails by how much of a filter's weights they explain, shape (n,); near 1 for members, near 0 for others.

    At the minimum of a logistic loss with an L2 penalty the gradient is zero, so a word's weight is C times the sum of
    (label - probability) * count over the training mails. The filter itself gives the probabilities, so that the only
    unknowns are which mails are in the sum. They are found by least squares, which starts from the share of training
    mails and stops early. The same condition reconstructs training data of networks (Haim et al. 2022).

    Args:
        target: filter under attack, with one weight per word and an `inverse_penalty`.
        mails: all mails of the pool, among them the training mails.
        trained_on: number of training mails.
    """
    from scipy.sparse import csr_matrix, diags, hstack
    from scipy.sparse.linalg import lsqr

    assert target.inverse_penalty is not None
    weights = np.append(target.weights["embedding.weight"][:, 0], target.weights["bias.weight"]).astype(np.float64)
    counts = word_counts(mails.tokens, len(weights) - 1)
    features = hstack([counts, csr_matrix(np.ones((len(mails), 1)))], "csr")
    residuals = mails.labels - target.score(mails.tokens)
    explained = (target.inverse_penalty * diags(residuals) @ features).T.tocsr()
    start = np.full(len(mails), trained_on / len(mails))
    return np.asarray(lsqr(explained, weights, iter_lim=ITERATIONS, x0=start)[0])
