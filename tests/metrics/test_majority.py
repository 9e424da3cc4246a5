"""Notes on results at the share of the larger class: there when it is so, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from veilbench.metrics.majority import note_constant, note_one_sided

NAMES = ("ham", "spam")


@pytest.mark.parametrize(("spam", "said"), [(4, "96.0% of the test mails are ham"), (6, ""), (97, "are spam")])
def test_labels_are_one_sided_from_95_percent(spam: int, said: str) -> None:
    notes = note_one_sided((np.arange(100) < spam).astype(np.int64), NAMES, "test mails")
    assert bool(notes) == bool(said)
    assert all(said in note for note in notes)


def test_answers_that_are_all_the_same_are_named_with_what_the_scores_know() -> None:
    labels, answers = np.array([0, 0, 1]), np.zeros(3, np.int64)
    (note,) = note_constant(answers, labels, NAMES, "test mails", 1.0)
    assert "All test mails are taken for ham: the accuracy is the share of ham" in note
    assert "AUROC 1.00" in note
    (plain,) = note_constant(answers, labels, NAMES, "test mails", 0.5)
    assert "AUROC" not in plain
    assert note_constant(labels, labels, NAMES, "test mails", 1.0) == []
    assert note_constant(np.zeros(3, np.int64), np.zeros(3, np.int64), NAMES, "test mails") == []
