"""A fitted spam filter of the caller, examined as it is."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from veilbench.bench.live_model import LiveModel
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.wrapped.text_scorer import TextScorer, list_words_by_number, note_lost_words


class LiveFilter(LiveModel, TextScorer):
    """An object with `predict_proba(texts)` and `classes_`, such as a fitted pipeline of scikit-learn.

    Args:
        pipeline: the object.
        spam: the class that stands for spam among the object's `classes_`, as a text.
    """

    def __init__(self, pipeline: Any, spam: str = "1") -> None:
        super().__init__(spam)
        self.pipeline = pipeline
        self.lost: list[str] = []

    def described(self) -> str:
        """Return the name of the object's class."""
        return type(self.pipeline).__name__

    def notes(self) -> list[str]:
        """Return what is lost between the corpus and the filter."""
        return self.lost

    def fit(self, data: Mails, rng: np.random.Generator) -> LiveFilter:
        """Return the filter with the words of the corpus; nothing is trained.

        Raises:
            UserError: the object does not score texts.
        """
        model = copy(self)
        model.words, model.lost = list_words_by_number(data), note_lost_words(data)
        model.score_texts(model.texts(data.train.tokens[:1]))
        return model


def adapt(model: Any) -> LiveFilter | None:
    """Return a live filter for an object with `predict_proba` and `classes_`; None for any other object."""
    fits = callable(getattr(model, "predict_proba", None)) and hasattr(model, "classes_")
    return LiveFilter(model) if fits else None
