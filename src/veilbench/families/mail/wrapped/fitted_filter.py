"""A pipeline of scikit-learn's estimators, or an estimator of the user's own, fitted to the training mails."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from annotated_types import MinLen

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.estimators import build_estimator
from veilbench.bench.foreign import foreign_errors, require_repeated, seeded
from veilbench.bench.limits import Seed, require_value
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.raw_mails import SPAM
from veilbench.families.mail.data.vocabulary import pack_words, unpack_words
from veilbench.families.mail.wrapped.text_scorer import TextScorer, list_words_by_number, note_lost_words

COMPARED = 256  # training mails whose probabilities must be the same again after the filter is restored
Steps = Annotated[list[dict[str, dict[str, Any] | None]], MinLen(1)]
KEPT = "The saved model holds the training mails as word numbers, and is fitted again when it is loaded."


class FittedFilter(TextScorer):
    """Estimators in a pipeline, fitted to the training mails as texts, with the labels 0 for ham and 1 for spam.

    The saved model holds the training mails and a seed, and is fitted again when it is loaded: nothing is unpickled,
    but the file reveals the mails, and the stages `evaluate` and `attack` each take the time of a fit. Probabilities
    that differ then are an error.

    Args:
        steps: estimators from texts to probabilities, each a mapping from its dotted name to its arguments: classes of
            scikit-learn, or classes and functions of registered packages. `random_state` is drawn if it is not given.
    """

    def __init__(self, steps: Steps) -> None:
        super().__init__(str(SPAM))
        for place, step in enumerate(steps):
            if len(step) != 1:
                raise ValueError(f"steps[{place}]={step!r} must be one name with its arguments")
        self.steps: Steps = [{name: dict(arguments or {}) for name, arguments in step.items()} for step in steps]
        self.seed, self.tokens, self.labels = 0, np.zeros((0, 1), np.int32), np.zeros(0, np.int64)
        self.lost: list[str] = []
        self._build(0)

    def _build(self, seed: int) -> Any:
        from sklearn.pipeline import make_pipeline

        named = [(name, arguments or {}) for step in self.steps for name, arguments in step.items()]
        built = [
            build_estimator(name, arguments, f"model.steps[{place}]", seed)
            for place, (name, arguments) in enumerate(named)
        ]
        return make_pipeline(*built) if len(built) > 1 else built[0]

    def described(self) -> str:
        """Return the names of the estimators."""
        return " -> ".join(name.rpartition(".")[2] for step in self.steps for name in step)

    def notes(self) -> list[str]:
        """Return what the saved model reveals, and what is lost between the corpus and the filter."""
        return [KEPT, *self.lost]

    def fit(self, data: Mails, rng: np.random.Generator) -> FittedFilter:
        """Return the filter fitted to the training mails.

        Raises:
            UserError: an estimator cannot be fitted to them.
        """
        words, seed = list_words_by_number(data), int(rng.integers(2**31))
        model = self._fitted(data.train.tokens, data.train.labels, words, seed)
        model.lost = note_lost_words(data)
        return model

    def _fitted(self, tokens: np.ndarray, labels: np.ndarray, words: list[str], seed: int) -> FittedFilter:
        model = FittedFilter(self.steps)
        model.tokens, model.labels, model.words, model.seed = tokens, labels, words, seed
        model.pipeline = model._build(seed)
        with seeded(seed), foreign_errors(f"{self.described()} cannot be fitted to {len(labels)} training mails"):
            fitted = model.pipeline.fit(model.texts(tokens), labels)
            model.pipeline = model.pipeline if fitted is None else fitted
        return model

    def settings(self) -> dict[str, Any]:
        """Return the estimators, and the seed of the fit."""
        return {"steps": self.steps, "seed": self.seed}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the training mails, the words, and the first logits, which a restored filter must repeat."""
        logits = {"logits": self.logits(self.tokens[:COMPARED])} if len(self.tokens) else {}
        return {"tokens": self.tokens, "labels": self.labels, "words": pack_words(self.words), **logits}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Fit the filter to the saved mails again.

        Raises:
            ValueError: a setting or an array is not allowed, or the logits are not those of the saved filter.
        """
        require_value(Steps, settings.get("steps"), "settings.steps")
        require_value(Seed, settings.get("seed"), "settings.seed")
        words = unpack_words(require_array(arrays, "words", np.uint8, (None,)))
        tokens = require_array(arrays, "tokens", np.integer, (None, None), low=0, high=len(words) - 1)
        labels = require_array(arrays, "labels", np.int64, (len(tokens),), low=0, high=SPAM)
        made = cls(settings["steps"])._fitted(tokens, labels, words, settings["seed"] % 2**32)
        logits = require_array(arrays, "logits", np.float64, (min(len(tokens), COMPARED),))
        require_repeated(made.logits(tokens[:COMPARED]), logits, made.described())
        return made  # type: ignore[return-value]
