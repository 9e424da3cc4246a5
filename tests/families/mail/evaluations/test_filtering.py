from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score, roc_auc_score, roc_curve

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.data.vocabulary import Vocabulary
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.evaluations.filtering import Filtering, auroc, compute_rates, compute_roc
from veilbench.families.mail.schemes.filter import MailFilter

RNG = np.random.default_rng(0)
LABELS = (np.arange(300) % 3 == 0).astype(np.int64)
SCORES = np.round(np.clip(0.4 + 0.2 * LABELS + RNG.normal(0, 0.2, 300), 0, 1), 2)  # with ties


def test_rates_are_scikit_learns() -> None:
    found = {name: metric.value for name, metric in compute_rates(SCORES, LABELS).items()}
    called = SCORES > 0.5
    assert found["accuracy"] == (called == LABELS).mean()
    assert found["recall"] == recall_score(LABELS, called)
    assert found["precision"] == precision_score(LABELS, called)
    assert found["false_alarms"] == called[LABELS == 0].mean()
    assert found["auroc"] == pytest.approx(roc_auc_score(LABELS, SCORES))


def test_a_filter_that_calls_nothing_spam_has_no_precision() -> None:
    assert "precision" not in compute_rates(np.zeros(300), LABELS)


def test_the_curve_runs_through_scikit_learns_points() -> None:
    x, y = compute_roc(SCORES, LABELS)
    theirs = set(zip(*(np.round(v, 9) for v in roc_curve(LABELS, SCORES, drop_intermediate=False)[:2]), strict=True))
    assert {(round(a, 9), round(b, 9)) for a, b in zip(x, y, strict=True)} <= theirs
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


def test_the_interval_of_the_area_covers_the_truth_as_often_as_it_says() -> None:
    truth = 0.7602  # of two normal laws one standard deviation apart: Phi(1 / sqrt 2)
    inside = 0
    for _ in range(400):
        labels = np.arange(90) % 2
        found = auroc(RNG.normal(labels, 1), labels)
        inside += found.low <= truth <= found.high
    assert 0.91 < inside / 400 < 0.98
    with pytest.raises(ValueError, match="needs both labels"):
        auroc(np.zeros(3), np.zeros(3))


def part(n: int, rng: np.random.Generator) -> MailPart:
    labels = rng.integers(0, 2, n)
    tokens = np.where(rng.random((n, 8)) < 0.6, 2 + labels[:, None], rng.integers(0, 6, (n, 8))).astype(np.int32)
    return MailPart(tokens, labels, np.zeros(n, np.int64))


def examine(parts: list[MailPart], bias: float) -> Findings:
    words = Vocabulary(["ham", "spam", "x", "y"])
    mails = Mails(*parts, np.zeros(200, np.int64), words, ["ham"], np.array([False]), ["a note"])
    weights = {
        "embedding.weight": np.array([[0], [0], [-1], [1], [0], [0]], np.float32),
        "bias.weight": np.array([[bias]]),
    }
    return Filtering().examine(MailFilter(weights, words, 8), mails, Accelerator("cpu"), np.random.SeedSequence(0))


def test_the_findings_hold_the_filter_beside_logistic_regression() -> None:
    parts = [part(200, RNG) for _ in range(4)]
    found = examine(parts, 0)
    assert found.metrics["accuracy"].value > 0.9
    assert found.metrics["logistic_regression_accuracy"].value > 0.9
    assert 0.5 <= found.metrics["majority_share"].value < 0.6
    unknown = (parts[3].tokens == 1).sum() / (parts[3].tokens > 0).sum()
    assert found.metrics["unknown_words"].value == pytest.approx(unknown)
    assert found.notes == ["a note"]
    assert [row[0] for row in found.tables[0].rows] == ["filter", "logistic regression"]


def test_counts_leave_the_padding_out() -> None:
    tokens = np.array([[2, 2, 3, 0], [1, 0, 0, 0]], np.int32)
    found = word_counts(tokens, 4).toarray()
    assert found.tolist() == [[0, 0, 2, 1], [0, 1, 0, 0]]


def test_a_filter_that_calls_everything_ham_is_named_although_its_scores_order_the_mails() -> None:
    found = examine([part(200, RNG) for _ in range(4)], -50)
    assert found.metrics["recall"].value == 0
    assert found.metrics["auroc"].value > 0.9
    (note,) = found.notes[1:]
    assert note.startswith("All test mails are taken for ham")
    assert f"AUROC {found.metrics['auroc'].value:.2f}" in note
