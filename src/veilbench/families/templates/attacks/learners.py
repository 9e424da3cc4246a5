"""Classifiers that attackers train on template features."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Learner = Literal["linear", "knn", "mlp"]
NEIGHBOURS = 5
HIDDEN, EPOCHS, DECAY = 64, 60, 1.0  # units, training epochs and L2 penalty of the perceptron


def fit_classifier(kind: Learner, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Pipeline:
    """Fit a classifier to standardised rows.

    Args:
        kind: "linear" for logistic regression, "knn" for nearest neighbours, "mlp" for a perceptron with one hidden
            layer.
        rows: training rows, shape (n, numbers).
        labels: class of each row, shape (n,).
        rng: source of the perceptron's initial weights and of its batches.

    Returns:
        The fitted pipeline of `StandardScaler` and classifier.
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
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is a budget, not a sign of failure
        return make_pipeline(StandardScaler(), model).fit(rows, labels)
