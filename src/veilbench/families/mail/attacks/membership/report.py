"""Reports each observer's gain, and how well a mail is assigned to its client."""

from __future__ import annotations

import numpy as np

from veilbench.attack_methods.membership_attack import Outcome
from veilbench.attack_methods.membership_report import RATES
from veilbench.bench.findings import Metric, Table
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.membership.observers import OBSERVERS
from veilbench.metrics.membership import auroc_interval

COLUMNS = ("observer", "sees", "path", "AUROC", "TPR at 1 % FPR", "TPR at 0.1 % FPR")
Row = list[str | float | Metric | None]


def report_observers(outcome: Outcome, missing: dict[str, str]) -> None:
    """Add the gain of each observer, and a table of all paths by observer.

    Args:
        outcome: outcome of the game, whose findings are extended.
        missing: why a path was not used, by path.
    """
    found, rows = outcome.findings, list[Row]()
    for observer in OBSERVERS:
        used = [path for path in observer.paths if path in outcome.scores]
        if used:
            found.metrics[f"{observer.name}_gain"] = outcome.gains.largest(used)
        for path in observer.paths:
            measured = [found.metrics.get(f"{path}_{name}") for name in ("auroc", *map(_name_rate, reversed(RATES)))]
            rows.append([observer.name, observer.sees, path, *measured])
            if path not in outcome.scores:
                found.notes.append(f"{observer.name}, {path}: {missing[path]}.")
    found.tables.append(Table("Membership by observer and path", COLUMNS, rows))


def _name_rate(words: str) -> str:
    return f"tpr_at_{words}_fpr"


def measure_owner(scores: np.ndarray, owners: np.ndarray, rng: np.random.Generator) -> Metric:
    """Return the AUROC with which the first client's mails are told from other clients' mails and from test mails.

    Args:
        scores: scores of the mails for the first client, shape (n,).
        owners: client of each mail, shape (n,); -1 for a test mail.
        rng: source of the interval's weights.
    """
    return auroc_interval(scores[owners == 0], scores[owners != 0], rng, CONFIDENCE)
