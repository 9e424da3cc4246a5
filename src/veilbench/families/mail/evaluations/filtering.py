"""Classification quality of a filter, compared to logistic regression on the same words."""

from __future__ import annotations

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Curve, Figure, Findings, Metric, Table
from veilbench.bench.limits import Steps
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.metrics import membership
from veilbench.metrics.intervals import proportion


class Filtering(Evaluation):
    """Accuracy, recall, precision, false alarms and area under the ROC curve, on the test mails.

    Args:
        iterations: maximum number of solver iterations of the logistic regression.
    """

    data_kind = Mails
    target_kind = SpamScorer

    def __init__(self, iterations: Steps = 1_000) -> None:
        self.iterations = iterations

    def examine(
        self, trained: MailFilter, mails: Mails, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Measure the filter and the logistic regression on the test mails."""
        found, labels = Findings("Filtering", notes=list(mails.notes)), mails.test.labels
        scores = {"filter": trained.score(mails.test.tokens)}
        scores["logistic_regression"] = self._logistic_regression(mails, mails.vocabulary.size)
        measured = {name: rates(score, labels) for name, score in scores.items()}
        found.metrics |= measured["filter"]
        regression = measured["logistic_regression"]
        found.metrics["logistic_regression_accuracy"] = regression["accuracy"]
        found.metrics["majority_share"] = proportion(int(np.bincount(labels).max()), len(labels))
        unknown = (mails.test.tokens == 1).sum(), (mails.test.tokens != 0).sum()
        found.metrics["unknown_words"] = Metric.exact(unknown[0] / unknown[1], int(unknown[1]), "share")
        rows: list[list[str | Metric]] = [[name.replace("_", " "), *m.values()] for name, m in measured.items()]
        columns = ["", *(name.replace("_", " ") for name in regression)]
        found.tables.append(Table("On the test mails", columns, rows))
        curves = [Curve(name.replace("_", " "), *roc(score, labels)) for name, score in scores.items()]
        axes = ("share of ham taken for spam", "share of spam caught")
        found.figures.append(Figure("Receiver operating characteristic", *axes, curves))
        return found

    def _logistic_regression(self, mails: Mails, size: int) -> np.ndarray:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(solver="liblinear", max_iter=self.iterations, random_state=0)
        model.fit(word_counts(mails.train.tokens, size), mails.train.labels)
        scores: np.ndarray = model.predict_proba(word_counts(mails.test.tokens, size))[:, 1]
        return scores


def rates(score: np.ndarray, labels: np.ndarray) -> dict[str, Metric]:
    """Compute classification metrics at the threshold 0.5; undefined ones are left out.

    Args:
        score: probability of spam, the positive class, shape (n,).
        labels: 0 for ham and 1 for spam, shape (n,).
    """
    called, spam = score > 0.5, labels == 1
    right = {
        "accuracy": (called == spam, np.ones(len(spam), bool)),
        "recall": (called, spam),
        "precision": (spam, called),
        "false_alarms": (called, ~spam),
    }
    measured = {n: proportion(int(hit[of].sum()), int(of.sum())) for n, (hit, of) in right.items() if of.any()}
    return measured | {"auroc": auroc(score, labels)}


def auroc(score: np.ndarray, labels: np.ndarray) -> Metric:
    """Compute the area under the ROC curve, with the interval of Hanley and McNeil 1982, equation 1.

    It is the probability that a spam mail has a higher score than a ham mail; ties count one half.

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


def roc(score: np.ndarray, labels: np.ndarray) -> tuple[list[float], list[float]]:
    """Return false alarms and recall at up to 200 thresholds, from the highest to the lowest."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # ties share a threshold
    at = np.unique(last[np.linspace(0, len(last) - 1, 200).astype(int)])
    spam = np.cumsum(labels[order] == 1)[at] / (labels == 1).sum()
    ham = np.cumsum(labels[order] == 0)[at] / (labels == 0).sum()
    return [0.0, *ham.tolist()], [0.0, *spam.tolist()]
