"""Notes on results that are no better than a guess of the most common class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ONE_SIDED = 0.95  # share of the most common class from which labels count as one-sided
ORDERED = 0.8  # area under the ROC curve from which scores order the units although no decision uses it


def note_one_sided(labels: np.ndarray, names: Sequence[str], units: str) -> list[str]:
    """Return a note if nearly all labels are the same: then a high accuracy says little.

    Args:
        labels: class of each unit, shape (n,), at least one.
        names: names of the classes, by their numbers.
        units: what is labelled, in the plural, such as "test mails".
    """
    counts = np.bincount(labels, minlength=len(names))
    if (share := counts.max() / counts.sum()) < ONE_SIDED:
        return []
    most = names[int(counts.argmax())]
    return [f"{share:.1%} of the {units} are {most}: whoever always answers {most} has this accuracy."]


def note_constant(
    decided: np.ndarray, labels: np.ndarray, names: Sequence[str], units: str, auroc: float | None = None
) -> list[str]:
    """Return a note if every unit gets the same answer, so that the accuracy is the share of one class.

    Args:
        decided: class that was answered for each unit, shape (n,).
        labels: true class of each unit, shape (n,).
        names: names of the classes, by their numbers.
        units: what is classified, in the plural, such as "test mails".
        auroc: area under the ROC curve of the scores behind the answers; None if there are no scores.
    """
    if len(set(decided.tolist())) != 1 or len(set(labels.tolist())) == 1:
        return []
    answer = names[int(decided[0])]
    note = f"All {units} are taken for {answer}: the accuracy is the share of {answer}, and nothing is told apart"
    if auroc is not None and auroc >= ORDERED:
        note += f" at this threshold, although the scores do it (AUROC {auroc:.2f}): choose the threshold again"
    return [f"{note}."]
