"""The report's comparison of mail filters: information leaks and costs by the protection of the clients' updates."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from veilbench.bench.findings import Findings, Metric
from veilbench.bench.report.numbers import DASH, MINUS, compact, parts
from veilbench.bench.report.records import Record
from veilbench.bench.report.specs import Cell, Comparison, Entry
from veilbench.families.mail.flower.settings import to_run_config
from veilbench.families.mail.flower.strategy import create_aggregation
from veilbench.federated.protocol import describe_aggregation

STEPS = ("training_seconds", "protecting_seconds", "adding_seconds", "opening_seconds")  # of all clients, all rounds
FEDERATED, FLOWER, PLAIN = "Federated", "Flower", "Plain"
COLUMNS = (
    ("Protection", "Who averages the clients' updates, and how they are protected"),
    ("Accuracy", "Share of test mails classified correctly"),
    ("Words, message", "Share of a client's words that the aggregator infers from its messages, above chance"),
    ("Words, mean", "Share of all clients' words that every client infers from the means, above chance"),
    ("Membership, queries", "Gain of membership inference for who queries the filter's scores: 0 is chance"),
    ("Membership, weights", "Gain of membership inference for who has the trained filter: 0 is chance"),
    ("Membership, updates", "Gain of membership inference for the aggregator, who reads the clients' updates"),
    ("Poison", "Share of spam that passes with the trigger of a backdoor that rogue clients implanted"),
    ("Epsilon, client", "Epsilon of client-level differential privacy, by the accountant"),
    ("Epsilon, mail", "Epsilon of example-level differential privacy, by the accountant"),
    ("Bytes up", "Bytes that one client sends in one round"),
    ("Time a round", "Total time of all parties per round, relative to the plain federation on the same data"),
)


def list_mail_experiments(records: Sequence[Record]) -> list[Entry]:
    """Return one table row per experiment on mails; none if no experiment is a federation."""
    mails = [record for record in records if "filtering" in record.found["evaluate"]]
    if not any(_read_aggregation(record) for record in mails):
        return []
    return [Entry(record.name, _format_cells(record, mails)) for record in mails]


def _format_cells(record: Record, mails: Sequence[Record]) -> list[Cell]:
    trained, words = record.found["train"]["training"], _get_attack(record, "mail_word_leak")
    central = _read_aggregation(record) is None
    return [
        describe_protection(record),
        _format_metric(record.found["evaluate"]["filtering"].metrics.get("accuracy")),
        replace(
            _format_metric(words.gain if words else None, missing=_explain_missing(words, central), verdict=words),
            source="mail_word_leak.gain" if words and words.gain else "",
        ),
        _format_metric(words.metrics.get("mean_gain") if words else None, missing="no mean" if central else "not run"),
        format_attack_metric(record, "mail_membership", "queries_gain", share=False, verdict=True),
        format_attack_metric(record, "mail_membership", "weights_gain", share=False),
        format_attack_metric(record, "mail_membership", "aggregator_gain", share=False, absent="not applicable"),
        format_attack_metric(
            record,
            "mail_poison",
            "spam_passing_with_trigger",
            missing="no client" if central else "not run",
            verdict=True,
        ),
        *(
            _format_metric(trained.metrics.get(name), share=False, missing="none")
            for name in ("epsilon", "example_epsilon")
        ),
        _format_number(trained.cost.get("bytes_up"), compact),
        _format_number(_compare_to_plain(record, mails), lambda ratio: f"{ratio:.2f} ×"),
    ]


def _explain_missing(words: Findings | None, central: bool) -> str:
    """Return why there is no gain of the attack on words."""
    if words is None:
        return "no message" if central else "not run"
    return "not applicable"


def describe_protection(record: Record) -> Cell:
    """Return a cell that describes how the clients' updates were averaged and protected."""
    node = _read_aggregation(record)
    if node is None:
        return Cell("none: all mails in one place")
    kind = _get_class_name(str(node["_target_"]))
    name = str(node["rule"]) if "rule" in node else re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    noise = f", noise {node['noise_multiplier']:g}" if "noise_multiplier" in node else ""
    encoding = f", {node['encoding']}" if "encoding" in node else ""
    return Cell(name.replace("_", " ") + noise + encoding)


def _read_aggregation(record: Record) -> dict[str, object] | None:
    """Return the configuration of the aggregation; None if there was no federation."""
    training = record.config.get("training") or {}
    kind = _get_class_name(str(training.get("_target_")))
    if kind == FLOWER:
        return describe_aggregation(create_aggregation(to_run_config(training["strategy"], training["privacy"])))
    return dict(training.get("aggregation") or {"_target_": PLAIN}) if kind == FEDERATED else None


def _get_class_name(target: str) -> str:
    return target.rpartition(".")[2]


def _get_attack(record: Record, name: str) -> Findings | None:
    return record.found["attack"].get(name)


def format_attack_metric(
    record: Record,
    attack: str,
    name: str,
    share: bool = True,
    missing: str = "not run",
    verdict: bool = False,
    absent: str = DASH,
) -> Cell:
    """Format one metric of an attack as a table cell.

    Args:
        record: record of the experiment.
        attack: name of the attack in the configuration.
        name: name of the metric in the attack's findings.
        share: whether the metric is a share, shown in per cent.
        missing: text of the cell if the attack was not run.
        verdict: whether the cell shows the attack's verdict too.
        absent: text of the cell if the attack was run, but has no such metric.
    """
    attack_result = _get_attack(record, attack)
    if attack_result is None:
        return Cell(missing)
    shown = _format_metric(attack_result.metrics.get(name), share, absent, attack_result if verdict else None)
    return replace(shown, source=f"{attack}.{name}" if name in attack_result.metrics else "")


def _format_metric(
    metric: Metric | None, share: bool = True, missing: str = DASH, verdict: Findings | None = None
) -> Cell:
    if metric is None:
        return Cell(missing)
    word = verdict.verdict.value if verdict and verdict.verdict else ""
    texts = _format_share(metric) if share else parts(metric, False, 2)
    return Cell(*texts, metric.value, word)


def _format_share(metric: Metric) -> tuple[str, str]:
    """Format a share in per cent with its interval; more digits are used if rounding would give 0 or 100."""
    value, low, high = (100 * x for x in (metric.value, metric.low, metric.high))
    enough = (d for d in range(1, 4) if metric.value in (0, 1) or f"{abs(value):.{d}f}" not in ("0.0", "100.0"))
    text = f"{value:.{next(enough)}f}".replace("-", MINUS)
    ends = [f"{x:.1f}".replace("-", MINUS) for x in (low, high)]
    return f"{text} %", "" if metric.low == metric.high else f"[{', '.join(ends)}]"


def _format_number(value: float | None, formatter: Callable[[float], str]) -> Cell:
    return Cell() if value is None else Cell(formatter(value), "", value)


def _compare_to_plain(record: Record, mails: Sequence[Record]) -> float | None:
    """Return the seconds per round relative to the plain federation; None without one on the same data."""
    seconds = _compute_round_seconds(record)
    plain = [other for other in mails if _is_plain(other) and other.config["data"] == record.config["data"]]
    base = _compute_round_seconds(plain[0]) if plain else None
    return seconds / base if seconds and base else None


def _is_plain(record: Record) -> bool:
    """Return whether an experiment is a plain federation with recorded times; Flower records none."""
    node, training = _read_aggregation(record), record.config.get("training") or {}
    return (
        node is not None
        and _get_class_name(str(node["_target_"])) == PLAIN
        and _get_class_name(training["_target_"]) == FEDERATED
    )


def _compute_round_seconds(record: Record) -> float | None:
    trained = record.found["train"]["training"]
    rounds = trained.metrics.get("rounds")
    if _read_aggregation(record) is None or rounds is None:
        return None
    return sum(trained.cost.get(step, 0.0) for step in STEPS) / rounds.value


LEAKS = Comparison(
    "What leaks, under which protection, at which cost",
    "Mail filters trained by a federation. The “message” is what one client sends to the aggregator in a round; the "
    "“mean” is what every client receives under every protection. Words are measured above chance: the share of the "
    "used words that are inferred, minus the share of the unused words that are inferred wrongly. Encryption hides "
    "updates from the aggregator and does not change the filter, so mean, poison and membership for all others are the "
    "same as without encryption. Epsilon is computed by the accountant, at the delta of the experiment’s "
    "configuration, for a client with all its mails (“client”) or for one mail (“mail”).",
    COLUMNS,
    list_mail_experiments,
)
