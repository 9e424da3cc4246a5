"""Logistic regression on word counts, with which all filters are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from veilbench.bench.limits import Positive, Steps, require_arguments
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.schemes.filter import NO_FEDERATION, MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.federated.protocol import Protocol


class LogisticFilter(SpamScorer):
    """Logistic regression by scikit-learn's liblinear on all training mails; `fit` returns a `MailFilter`.

    Args:
        inverse_penalty: inverse regularisation strength, scikit-learn's C.
        iterations: maximum number of solver iterations.
    """

    trained_kind = MailFilter

    def __init__(self, inverse_penalty: Positive = 1.0, iterations: Steps = 1_000) -> None:
        self.inverse_penalty, self.iterations = inverse_penalty, iterations

    def fit(self, data: Mails, rng: np.random.Generator) -> MailFilter:
        """Fit the filter to the training mails; `rng` is not used."""
        from sklearn.linear_model import LogisticRegression

        size = data.vocabulary.size
        model = LogisticRegression(C=self.inverse_penalty, solver="liblinear", max_iter=self.iterations, random_state=0)
        model.fit(word_counts(data.train.tokens, size), data.train.labels)
        weights = {"embedding.weight": model.coef_.T, "bias.weight": model.intercept_[None]}
        converted = {name: np.ascontiguousarray(weight, np.float32) for name, weight in weights.items()}
        longest = data.train.tokens.shape[1]
        return MailFilter(converted, data.vocabulary, longest, self.protocol(), self.inverse_penalty)

    def protocol(self) -> Protocol | None:
        """Return the protocol that is stored with the fitted filter; None unless a subclass defines a federation."""
        return None

    def lacks(self) -> Mapping[str, str]:
        """Return the operations that the filter does not support, with reasons."""
        return {} if self.protocol() else NO_FEDERATION

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Return zeros, shape (n,): the filter is not fitted."""
        return np.zeros(len(tokens))

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"inverse_penalty": self.inverse_penalty, "iterations": self.iterations}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return an empty dict: there are no arrays."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Construct the unfitted filter from its settings."""
        require_arguments(cls, settings, "settings")
        return cls(**settings)
