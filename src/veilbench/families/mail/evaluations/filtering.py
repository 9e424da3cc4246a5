"""Classification metrics of a filter, and of logistic regression on the same words for comparison."""

from __future__ import annotations

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import Steps
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.metrics import membership
from veilbench.metrics.intervals import proportion
from veilbench.metrics.majority import note_constant, note_one_sided

THRESHOLD, LABELS = 0.5, ("ham", "spam")  # probability from which a mail is called spam; names of the labels


class Filtering(Evaluation):
    """Measures accuracy, recall, precision, false positive rate and area under the ROC curve on the test mails.

    Args:
        iterations: maximum number of solver iterations of the logistic regression.
    """

    data_kind = Mails
    target_kind = SpamScorer

    def __init__(self, iterations: Steps = 1_000) -> None:
        self.iterations = iterations

    def examine(
        self, trained: SpamScorer, mails: Mails, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Measure the filter and the logistic regression on the test mails."""
        findings, labels = Findings("Filtering", notes=list(mails.notes)), mails.test.labels
        scores = {"filter": trained.score(mails.test.tokens)}
        scores["logistic_regression"] = self._score_logistic_regression(mails, mails.vocabulary.size)
        measured = {name: compute_rates(score, labels) for name, score in scores.items()}
        findings.metrics |= measured["filter"]
        decided = (scores["filter"] > THRESHOLD).astype(np.int64)
        findings.notes += note_one_sided(labels, LABELS, "test mails")
        findings.notes += note_constant(decided, labels, LABELS, "test mails", measured["filter"]["auroc"].value)
        regression = measured["logistic_regression"]
        findings.metrics["logistic_regression_accuracy"] = regression["accuracy"]
        findings.metrics["majority_share"] = proportion(int(np.bincount(labels).max()), len(labels))
        unknown = (mails.test.tokens == 1).sum(), (mails.test.tokens != 0).sum()
        findings.metrics["unknown_words"] = Metric.exact(unknown[0] / unknown[1], int(unknown[1]), "share")
        rows: list[list[str | Metric]] = [[name.replace("_", " "), *m.values()] for name, m in measured.items()]
        columns = ["", *(name.replace("_", " ") for name in regression)]
        findings.tables.append(Table("On the test mails", columns, rows))
        curves = [Curve(name.replace("_", " "), *compute_roc(score, labels)) for name, score in scores.items()]
        axes = ("share of ham taken for spam", "share of spam caught")
        findings.figures.append(Figure("Receiver operating characteristic", *axes, curves))
        return findings

    def _score_logistic_regression(self, mails: Mails, size: int) -> np.ndarray:
        """Fit logistic regression to the training mails; return the probabilities of spam of the test mails."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(solver="liblinear", max_iter=self.iterations, random_state=0)
        model.fit(word_counts(mails.train.tokens, size), mails.train.labels)
        scores: np.ndarray = model.predict_proba(word_counts(mails.test.tokens, size))[:, 1]
        return scores


def compute_rates(score: np.ndarray, labels: np.ndarray) -> dict[str, Metric]:
    """Compute classification metrics at `THRESHOLD`, by name; undefined ones are left out.

    Args:
        score: probability of spam, the positive class, shape (n,).
        labels: 0 for ham and 1 for spam, shape (n,).
    """
    predicted, spam = score > THRESHOLD, labels == 1
    hits = {  # for each metric, which mails are counted, among which mails
        "accuracy": (predicted == spam, np.ones(len(spam), bool)),
        "recall": (predicted, spam),
        "precision": (spam, predicted),
        "false_alarms": (predicted, ~spam),
    }
    metrics = {
        n: proportion(int(hit[among].sum()), int(among.sum())) for n, (hit, among) in hits.items() if among.any()
    }
    return metrics | {"auroc": auroc(score, labels)}


def auroc(score: np.ndarray, labels: np.ndarray) -> Metric:
    """Compute the area under the ROC curve, with the interval of Hanley and McNeil 1982, equation 1.

    It is the probability that a spam mail has a higher score than a ham mail; ties count one half.

    Args:
        score: score of each mail, higher for spam, shape (n,).
        labels: 0 for ham and 1 for spam, shape (n,).

    Raises:
        ValueError: there are no mails of one label.
    """
    spam, ham = int((labels == 1).sum()), int((labels == 0).sum())
    if not spam or not ham:
        raise ValueError(f"an AUROC needs both labels, got {spam} spam and {ham} ham")
    area = membership.auroc(score[labels == 1], score[labels == 0])
    one, two = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    error = np.sqrt(max(area * (1 - area) + (spam - 1) * one + (ham - 1) * two, 0) / (spam * ham))
    low, high = max(area - 1.96 * error, 0), min(area + 1.96 * error, 1)
    return Metric(area, min(float(low), area), max(float(high), area), spam + ham, "Hanley-McNeil 95 %", "share")


def compute_roc(score: np.ndarray, labels: np.ndarray) -> tuple[list[float], list[float]]:
    """Compute the ROC curve at up to 200 thresholds, from the highest to the lowest.

    Args:
        score: score of each mail, higher for spam, shape (n,).
        labels: 0 for ham and 1 for spam, shape (n,).

    Returns:
        False positive rates and true positive rates, both starting with 0.
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # ties share a threshold
    thresholds = np.unique(last[np.linspace(0, len(last) - 1, 200).astype(int)])
    recall = np.cumsum(labels[order] == 1)[thresholds] / (labels == 1).sum()
    false_alarms = np.cumsum(labels[order] == 0)[thresholds] / (labels == 0).sum()
    return [0.0, *false_alarms.tolist()], [0.0, *recall.tolist()]
