"""A filter whose training mails shadow models can recognise, but a threshold cannot."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import LARGEST_VALUE, Positive
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.families.mail.shadow_pool import join_mails, train_pool
from veilbench.families.mail.shadows import ShadowFilters
from veilbench.families.mail.shared import Shared
from veilbench.federated.protocol import Protocol

FILTERS = ShadowFilters(8)


class MarkedMails(SpamScorer):
    """The mean of a few filters, a little more confident of training mails and a little less of test mails.

    The filters are trained on random mails of all parts, so their mean says how easy each mail is, whether it is a
    training mail or not. The offset is a share of the spread of the means: a threshold gains little from it, since easy
    mails and hard ones differ by far more. Shadow models predict the means, and what remains is the offset. This is the
    positive control of LiRA and BaVarIA. All other mails get a logit of 0.

    Args:
        offset: difference between training mails and test mails, in standard deviations of the mean confidence.
            1.1 is the largest of 1.1, 1.15, 1.2 and 1.3 at which a threshold's gain stays below 0.8 for ten fresh
            seeds, upper end of its interval (benchmarks/membership_controls.py).
        filters: number and training of the filters.
        protocol: public settings of the federation in which the filters are trained; None for none.
        inverse_penalty: inverse strength of the penalty with which they are fitted; None trains them by Adam.
        shared: memory of the trained filters, by which all paths of an attack have one control; None for a new one.
    """

    def __init__(
        self,
        offset: Positive = 1.1,
        filters: ShadowFilters = FILTERS,
        protocol: Protocol | None = None,
        inverse_penalty: Positive | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.offset, self.filters, self.protocol, self.inverse_penalty = offset, filters, protocol, inverse_penalty
        self.shared = shared or Shared()
        self.tokens, self.scores = np.zeros((0, 1), np.int32), np.zeros(0)

    def fit(self, data: Mails, rng: np.random.Generator) -> MarkedMails:
        """Train the filters, and store the logits of all training and test mails."""
        pool, stored = join_mails(data), len(data.train) + len(data.test)
        signs = 2 * pool.labels[:stored] - 1
        usual = self.shared.recall(data, ("usual", self.filters), lambda: self._train(data, rng))[:stored]
        marks = np.where(np.arange(stored) < len(data.train), 0.5, -0.5) * self.offset * usual.std()
        made = MarkedMails(self.offset, self.filters, self.protocol, self.inverse_penalty, self.shared)
        made.tokens, made.scores = pool.tokens[:stored], (usual + marks) * signs
        return made

    def _train(self, data: Mails, rng: np.random.Generator) -> np.ndarray:
        """Return the mean confidence of the filters in each mail of the pool, shape (n,)."""
        filters = self.filters.trained_as(self.protocol, self.inverse_penalty)
        return np.asarray(train_pool(filters, self.protocol, data, rng).confidences.mean(0))

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Return the stored logits of spam, shape (n,); 0 for unknown mails."""
        known = {mail.tobytes(): score for mail, score in zip(self.tokens, self.scores, strict=True)}
        return np.array([known.get(mail.astype(self.tokens.dtype).tobytes(), 0.0) for mail in tokens])

    def settings(self) -> dict[str, Any]:
        """Return no settings: once fitted, the filter is its arrays."""
        return {}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the stored mails and their logits."""
        return {"tokens": self.tokens, "scores": self.scores}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> MarkedMails:
        """Construct the filter from the stored mails and logits."""
        made = cls()
        made.tokens = require_array(arrays, "tokens", np.integer, (None, None), low=0, high=np.iinfo(np.int32).max)
        made.scores = require_array(
            arrays, "scores", np.floating, (len(made.tokens),), low=-LARGEST_VALUE, high=LARGEST_VALUE
        )
        return made
