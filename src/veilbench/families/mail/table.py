"""The report's comparison of mail filters: what leaks, under which protection, at which cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from veilbench.bench.findings import Findings, Metric
from veilbench.bench.report.numbers import DASH, MINUS, compact, parts
from veilbench.bench.report.records import Record
from veilbench.bench.report.specs import Cell, Comparison, Entry
from veilbench.families.mail.flower.settings import to_run_config
from veilbench.families.mail.flower.strategy import aggregation_of
from veilbench.federated.protocol import describe_aggregation

STEPS = ("training_seconds", "protecting_seconds", "adding_seconds", "opening_seconds")  # of all clients, all rounds
FEDERATED, FLOWER, PLAIN = "Federated", "Flower", "Plain"
COLUMNS = (
    ("Protection", "Who averages the clients' updates, and how they are protected"),
    ("Accuracy", "Share of test mails filed rightly"),
    ("Words, message", "Share of a client's words that its messages name to the aggregator, above chance"),
    ("Words, mean", "Share of all clients' words that the means name to every client, above chance"),
    ("Membership", "Area under the curve of telling training mails, by LiRA: 0.5 is chance"),
    ("Poison", "Share of spam that passes with a trigger that rogue clients built in"),
    ("Epsilon, client", "Differential privacy of one client with all its mails, by the accountant"),
    ("Epsilon, mail", "Differential privacy of one mail, by the accountant"),
    ("Bytes up", "Of one client in one round"),
    ("Time a round", "Of all parties together, as a ratio to the plain federation on the same data"),
)


def entries(records: Sequence[Record]) -> list[Entry]:
    """Return one entry per experiment on mails; empty if none of them is a federation."""
    mails = [record for record in records if "filtering" in record.found["evaluate"]]
    if not any(_aggregation(record) for record in mails):
        return []
    return [Entry(record.name, _cells(record, mails)) for record in mails]


def _cells(record: Record, mails: Sequence[Record]) -> list[Cell]:
    trained, words = record.found["train"]["training"], _attack(record, "mail_word_leak")
    alone = _aggregation(record) is None
    return [
        protection(record),
        _metric(record.found["evaluate"]["filtering"].metrics.get("accuracy")),
        _metric(words.gain if words else None, missing="no message" if alone else "not run", verdict=words),
        _metric(words.metrics.get("mean_gain") if words else None, missing="no mean" if alone else "not run"),
        attack_cell(record, "mail_membership", "lira_auroc", share=False, verdict=True),
        attack_cell(
            record,
            "mail_poison",
            "spam_passing_with_trigger",
            missing="no client" if alone else "not run",
            verdict=True,
        ),
        *(_metric(trained.metrics.get(name), share=False, missing="none") for name in ("epsilon", "example_epsilon")),
        _number(trained.cost.get("bytes_up"), compact),
        _number(_ratio(record, mails), lambda ratio: f"{ratio:.2f} ×"),
    ]


def protection(record: Record) -> Cell:
    """Return how a filter's updates were averaged and protected, as a cell of words."""
    node = _aggregation(record)
    if node is None:
        return Cell("none: all mails in one place")
    kind = _kind(str(node["_target_"]))
    name = str(node["rule"]) if "rule" in node else re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    noise = f", noise {node['noise_multiplier']:g}" if "noise_multiplier" in node else ""
    encoding = f", {node['encoding']}" if "encoding" in node else ""
    return Cell(name.replace("_", " ") + noise + encoding)


def _aggregation(record: Record) -> dict[str, object] | None:
    """Return the configuration of the aggregation; None if there was no federation."""
    training = record.config.get("training") or {}
    kind = _kind(str(training.get("_target_")))
    if kind == FLOWER:
        return describe_aggregation(aggregation_of(to_run_config(training["strategy"], training["privacy"])))
    return dict(training.get("aggregation") or {"_target_": PLAIN}) if kind == FEDERATED else None


def _kind(target: str) -> str:
    return target.rpartition(".")[2]


def _attack(record: Record, name: str) -> Findings | None:
    return record.found["attack"].get(name)


def attack_cell(
    record: Record, attack: str, name: str, share: bool = True, missing: str = "not run", verdict: bool = False
) -> Cell:
    """Return a cell with one metric of an attack.

    Args:
        record: record of the experiment.
        attack: name of the attack in the configuration.
        name: name of the metric in the attack's findings.
        share: whether the metric is a share, shown in per cent.
        missing: text of the cell if the attack was not run.
        verdict: whether the cell shows the attack's verdict too.
    """
    found = _attack(record, attack)
    if found is None:
        return Cell(missing)
    return _metric(found.metrics.get(name), share, DASH, found if verdict else None)


def _metric(metric: Metric | None, share: bool = True, missing: str = DASH, verdict: Findings | None = None) -> Cell:
    if metric is None:
        return Cell(missing)
    word = verdict.verdict.value if verdict and verdict.verdict else ""
    written = _share(metric) if share else parts(metric, False, 2)
    return Cell(*written, metric.value, word)


def _share(metric: Metric) -> tuple[str, str]:
    """Format a share in per cent with its interval; more digits are used if rounding would give 0 or 100."""
    value, low, high = (100 * x for x in (metric.value, metric.low, metric.high))
    enough = (d for d in range(1, 4) if metric.value in (0, 1) or f"{abs(value):.{d}f}" not in ("0.0", "100.0"))
    told = f"{value:.{next(enough)}f}".replace("-", MINUS)
    ends = [f"{x:.1f}".replace("-", MINUS) for x in (low, high)]
    return f"{told} %", "" if metric.low == metric.high else f"[{', '.join(ends)}]"


def _number(value: float | None, written: Callable[[float], str]) -> Cell:
    return Cell() if value is None else Cell(written(value), "", value)


def _ratio(record: Record, mails: Sequence[Record]) -> float | None:
    """Return the seconds per round relative to the plain federation; None without one on the same data."""
    own = _round_seconds(record)
    plain = [other for other in mails if _is_plain(other) and other.config["data"] == record.config["data"]]
    base = _round_seconds(plain[0]) if plain else None
    return own / base if own and base else None


def _is_plain(record: Record) -> bool:
    """Return whether it is a plain federation whose steps were timed; Flower's are not timed."""
    node, training = _aggregation(record), record.config.get("training") or {}
    return node is not None and _kind(str(node["_target_"])) == PLAIN and _kind(training["_target_"]) == FEDERATED


def _round_seconds(record: Record) -> float | None:
    trained = record.found["train"]["training"]
    rounds = trained.metrics.get("rounds")
    if _aggregation(record) is None or rounds is None:
        return None
    return sum(trained.cost.get(step, 0.0) for step in STEPS) / rounds.value


LEAKS = Comparison(
    "What leaks, under which protection, at which cost",
    "Mail filters trained by a federation. The “message” is what one client sends in a round, read by the "
    "aggregator; the “mean” is what every client gets back under every protection. Words are counted above chance: the "
    "share of the words that are there and are named, less the share of the others that are named too. Encryption "
    "hides a client from the aggregator and changes nothing about the filter, so that its mean, membership and "
    "poison are those without. Epsilon is the accountant’s, at the delta of the experiment’s configuration; “client” "
    "hides a client with all its mails, “mail” one mail.",
    COLUMNS,
    entries,
)
