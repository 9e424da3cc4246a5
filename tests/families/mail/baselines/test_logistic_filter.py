from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from veilbench.families.mail.baselines.logistic_filter import LogisticFilter
from veilbench.families.mail.baselines.plain_federation import PlainFederation
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.data.vocabulary import Vocabulary


def test_it_scores_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 12, (200, 9)).astype(np.int32)
    labels = (tokens == 3).sum(1) + (rng.random(200) < 0.1) > (tokens == 4).sum(1)
    part = MailPart(tokens, labels.astype(np.int64), np.zeros(200, np.int64))
    data = Mails(part, part, part, part, np.zeros(200), Vocabulary([], 10), ["a"], np.array([False]))
    dense = np.stack([np.bincount(row, minlength=12) for row in tokens])
    dense[:, 0] = 0  # padding
    model = LogisticRegression(C=0.5, solver="liblinear", max_iter=5_000, tol=1e-8).fit(dense, labels)
    made = LogisticFilter(0.5).fit(data, rng)
    np.testing.assert_allclose(made.logits(tokens), model.decision_function(dense), atol=2e-2)
    assert made.protocol is None
    federated = PlainFederation(0.5).fit(data, rng)
    np.testing.assert_array_equal(federated.logits(tokens), made.logits(tokens))
    assert federated.protocol is not None
