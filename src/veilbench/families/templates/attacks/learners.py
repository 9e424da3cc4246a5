"""Classifiers that attackers train on what they read of templates."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Learner = Literal["linear", "knn", "mlp"]
NEIGHBOURS, HIDDEN, EPOCHS, DECAY = 5, 64, 60, 1.0


def learned(kind: Learner, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pipeline:
    """A fitted classifier of standardised rows.

    Args:
        kind: logistic regression, nearest neighbours, or a perceptron with one hidden layer.
        rows: shape (n, numbers).
        labels: shape (n,).
        rng: draws the perceptron's weights and order.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seed = int(rng.integers(2**31))
    if kind == "linear":
        model = LogisticRegression(C=1 / rows.shape[1], max_iter=200)
    elif kind == "knn":
        model = KNeighborsClassifier(min(NEIGHBOURS, len(rows)))
    else:
        model = MLPClassifier((HIDDEN,), alpha=DECAY, max_iter=EPOCHS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are the budget
        return make_pipeline(StandardScaler(), model).fit(rows, labels)
