"""What the leaderboard shows of a row, on the page and in the terminal: utility, leakage, cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from veilbench.findings import Metric
from veilbench.report.leaderboard import WORST_FIRST, Row
from veilbench.report.numbers import DASH, compact, parts, seconds, words
from veilbench.report.overview import attack_names, titles

NOT_ATTACKED = "not attacked"
# Metric, heading, explanation, digits after the point (None: it is a share). A column appears where a row has it.
UTILITY = (
    ("fidelity.round_trip_english", "Round trip", "Share of unseen English that comes back right", None),
    ("fidelity.bytes_per_character", "Bytes per character", "Size of what is sent", 2),
    ("reconstruction.mse", "Error", "Mean squared error of rows through the code and back", 4),
    ("probe.logistic", "Probe", "Accuracy of a logistic regression on the code", None),
    ("restoration.psnr_after", "Restored, dB", "Peak signal-to-noise ratio after restoration", 2),
    ("anomaly.auroc", "AUROC", "Area under the curve of detecting anomalies", None),
    ("recommendation.hit_rate", "Hit rate", "Share of hidden likes among the films shown", None),
    ("verification.eer_secret", "EER, key secret", "Equal error rate, each user's key secret", None),
    ("verification.eer_stolen", "EER, key stolen", "Equal error rate, keys known to impostors", None),
    ("verification.rank1_secret", "Rank 1", "Share of probes whose own identity is nearest", None),
    (
        "discriminator.secret_50_classes_1_samples",
        "50 people, 1 sample",
        "Accuracy of the server's classifier of 50 people, trained on one template each",
        None,
    ),
    ("filtering.accuracy", "Accuracy", "Share of mails filed rightly", None),
    ("reconstruction.code_size", "Code", "Numbers in the code", 0),
)
ENCRYPT, DECRYPT = "speed.encrypt_characters_per_second", "speed.decrypt_characters_per_second"


@dataclass(frozen=True)
class Cell:
    """One cell: what it says, a second line, what it is sorted by (None comes last), and a verdict's word."""

    text: str = DASH
    detail: str = ""
    key: float | None = None
    verdict: str = ""


@dataclass(frozen=True)
class Column:
    """One column: the group it belongs to, its heading, an explanation, and its cell for a row."""

    group: str
    label: str
    explanation: str
    cell: Callable[[Row], Cell]


def columns(rows: Sequence[Row]) -> list[Column]:
    """The columns that these rows fill, beside the experiment's name and its verdict."""
    utility = [_utility(*spec) for spec in UTILITY if any(spec[0] in row["metrics"] for row in rows)]
    leakage = [_leakage(*entry) for entry in titles(attack_names(rows)).items()]
    controls = [Column("Leakage", "Controls", "Controls that gave the known answer", controls_cell)]
    speed = [Column("Cost", "Encrypt (decrypt)", "Characters per second, in memory", _speed)]
    rated = any(ENCRYPT in row["cost"]["rates"] for row in rows)
    time = Column("Cost", "Train (attack)", "Time that the stages took", _time)
    return [*utility, *leakage, *(controls if leakage else []), *(speed if rated else []), time]


def groups(shown: Sequence[Column]) -> list[tuple[str, int]]:
    """The columns' groups in order, each with its number of columns."""
    return [(name, len(list(members))) for name, members in groupby(column.group for column in shown)]


def metric(plain: Row) -> Metric:
    """A metric from its plain form."""
    return Metric(**plain)


def verdict_cell(row: Row) -> Cell:
    """The overall verdict, sorted by how bad it is."""
    if row["verdict"] is None:
        return Cell(NOT_ATTACKED, row["verdict_basis"])
    return Cell(row["verdict"], row["verdict_basis"], WORST_FIRST.index(row["verdict"]), row["verdict"])


def controls_cell(row: Row) -> Cell:
    """How many of a row's controls gave the answer that was known beforehand."""
    passed = [control["passed"] for attack in row["attacks"].values() for control in attack["controls"]]
    if not passed:
        return Cell(DASH if not row["attacks"] else "none")
    return Cell(f"{sum(passed)}/{len(passed)}", "passed", sum(passed) / len(passed))


def strongest(row: Row) -> str | None:
    """The attack that did worst to an experiment: by verdict, then by gain; None if nothing was attacked."""
    judged = {key: attack for key, attack in row["attacks"].items() if attack["verdict"] and attack["gain"]}
    return min(
        judged,
        key=lambda key: (WORST_FIRST.index(judged[key]["verdict"]), -judged[key]["gain"]["value"]),
        default=None,
    )


def _utility(key: str, label: str, explanation: str, digits: int | None) -> Column:
    def cell(row: Row) -> Cell:
        if key not in row["metrics"]:
            return Cell()
        found = metric(row["metrics"][key])
        return Cell(*parts(found, digits is None, digits), found.value)

    return Column("Utility", label, explanation, cell)


def _leakage(name: str, told: str) -> Column:
    def cell(row: Row) -> Cell:
        if name not in row["attacks"]:
            return Cell(DASH, "not run")
        attack = row["attacks"][name]
        if attack["gain"] is None:
            return Cell(DASH, attack["verdict"] or "no verdict", None, attack["verdict"] or "")
        found = metric(attack["gain"])
        return Cell(*parts(found, share=False, digits=3), found.value, attack["verdict"] or "")

    explanation = f"Gain of the attack {words(name)}: 0 is chance, 1 is everything recovered"
    return Column("Leakage", told.capitalize(), explanation, cell)


def _speed(row: Row) -> Cell:
    rates = row["cost"]["rates"]
    if ENCRYPT not in rates:
        return Cell()
    back = f"({compact(rates[DECRYPT])}/s)" if DECRYPT in rates else ""
    return Cell(f"{compact(rates[ENCRYPT])}/s", back, rates[ENCRYPT])


def _time(row: Row) -> Cell:
    train, attack = row["cost"]["train_seconds"], row["cost"]["attack_seconds"]
    attacked = "" if attack is None else f"({seconds(attack)})"
    return Cell(DASH if train is None else seconds(train), attacked, train)
