"""The leaderboard: one object per experiment, as JSON and as CSV, with the commands that rebuild it."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from veilbench.bench.csv_cells import escape
from veilbench.bench.errors import UserError, format_error
from veilbench.bench.experiment import Config, identity
from veilbench.bench.family import family_of
from veilbench.bench.findings import BudgetCurve, Control, Findings, Metric
from veilbench.bench.report.records import STAGES, Record, run_name
from veilbench.bench.rule import describe_failure
from veilbench.bench.verdict import Verdict

Row = dict[str, Any]
REMEDY = "run `dvc repro report`"
LONGEST_SHOWN = 200  # characters of what a damaged file holds
SCHEMA = Path(__file__).parent / "leaderboard.schema.json"
WORST_FIRST = (Verdict.BROKEN, Verdict.LEAKS, Verdict.INCONCLUSIVE, Verdict.HOLDS)


def write(rows: Sequence[Row], folder: Path) -> None:
    """Write leaderboard.json and leaderboard.csv, with the same content, into an existing folder."""
    text = json.dumps(rows, indent=1, allow_nan=False, ensure_ascii=False)
    (folder / "leaderboard.json").write_text(text + "\n", encoding="utf8")
    flat = [flatten(row) for row in rows]
    columns = dict.fromkeys(key for entry in flat for key in entry)
    with (folder / "leaderboard.csv").open("w", newline="", encoding="utf8") as file:
        writer = csv.writer(file)
        writer.writerow(map(escape, columns))
        writer.writerows([escape(entry.get(column, "")) for column in columns] for entry in flat)


def load_rows(path: Path) -> list[Row]:
    """Read leaderboard.json.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        rows: list[Row] = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {path}: {format_error(error)}; {REMEDY}") from error
    check_rows(rows, path, REMEDY)
    return rows


def check_rows(rows: Sequence[Row], path: Path, remedy: str = "write it again") -> None:
    """Compare rows with the schema.

    Args:
        rows: rows of the leaderboard, read from a file.
        path: the file, for the message.
        remedy: what to do about a damaged file.

    Raises:
        UserError: a row does not have the schema, or a number lies outside its interval.
    """
    try:
        Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf8"))).validate(rows)
        for found in (found for row in rows for found in (row, *row["attacks"].values())):
            for metric in (*found.get("metrics", {}).values(), found.get("gain")):
                if metric:
                    Metric(**metric)
    except ValidationError as error:
        wrong = f"{error.json_path}: {error.message[:LONGEST_SHOWN]}"
        raise UserError(f"cannot read {path}: {wrong}; {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"cannot read {path}: {format_error(error)}; {remedy}") from error


def row(record: Record) -> Row:
    """Build the leaderboard's row of one experiment."""
    config, attacks = record.config, record.found["attack"]
    digest = identity(config)
    verdict, basis = overall(attacks)
    return {
        "name": record.name,
        "family": family_of(config),
        "data": config["names"]["data"],
        "model": config["names"]["model"],
        "seed": config["seed"],
        "verdict": verdict,
        "verdict_basis": basis,
        "threat_models": {key: granted_flags(found) for key, found in attacks.items()},
        "metrics": _metrics(record),
        "attacks": {key: _attack(found) for key, found in attacks.items()},
        "cost": _cost(record),
        "digest": digest,
        "mlflow": _mlflow(run_name(record), config, digest),
        "reproduce": list_commands(record),
    }


def list_commands(record: Record) -> list[str]:
    """Return the commands that rebuild a record."""
    if record.overrides == ():
        return ["# made from Python with veilbench.audit; no command rebuilds it"]
    if record.overrides is not None:
        return [shlex.join(["veilbench", "run", *record.overrides])]
    return [
        f"dvc repro evaluate@{record.name} attack@{record.name}",
        f"veilbench run experiment={record.name}",
    ]


def worst(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """Return the worst verdict: broken, then leaks, then inconclusive, then holds; None if there is none."""
    return min((v for v in verdicts if v is not None), key=WORST_FIRST.index, default=None)


def strongest(row: Row) -> str | None:
    """Return the name of the most successful attack, by verdict and then by gain; None if nothing was attacked."""
    judged = {key: attack for key, attack in row["attacks"].items() if attack["verdict"] and attack["gain"]}
    return min(
        judged,
        key=lambda key: (WORST_FIRST.index(judged[key]["verdict"]), -judged[key]["gain"]["value"]),
        default=None,
    )


def overall(attacks: dict[str, Findings]) -> tuple[Verdict | None, str]:
    """Return the verdict on an experiment, and a short text that says which attacks it is based on."""
    judged = {key: found.verdict for key, found in attacks.items() if found.verdict}
    verdict = worst(judged.values())
    if verdict is None:
        return None, "no attack gave a verdict" if attacks else "no attack was run"
    by = [key for key, v in judged.items() if v == verdict]
    attacked = f"{len(judged)} attack{'s' * (len(judged) > 1)}"
    return verdict, f"all {attacked}" if by == list(judged) else f"worst of {attacked}: {', '.join(by)}"


def granted_flags(found: Findings) -> list[str]:
    """Return the names of the threat model's flags that were set."""
    return [flag for flag, given in found.threat.items() if given]


def _metrics(record: Record) -> dict[str, Row]:
    metrics: dict[str, Row] = {}
    for _, key, found in record.items():
        for name, metric in found.metrics.items():
            if f"{key}.{name}" in metrics:
                raise UserError(f"{record.name}: two metrics are called {key}.{name}; rename one")
            metrics[f"{key}.{name}"] = asdict(metric)
    return metrics


def _attack(found: Findings) -> Row:
    controls = [asdict(c) | {"failure": _describe(c, found.broken_threshold)} for c in found.controls]
    head = {"title": found.title, "verdict": found.verdict, "reason": found.reason, "doubt": found.doubt}
    return {**head, "gain": _number(found.gain), "budget": _budget(found.budget), "controls": controls}


def _describe(control: Control, broken_threshold: float | None) -> str:
    return "" if control.passed else describe_failure(control, broken_threshold)


def _number(metric: Metric | None) -> Row | None:
    return asdict(metric) if metric else None


def _budget(curve: BudgetCurve | None) -> Row | None:
    if curve is None:
        return None
    return {
        "setting": curve.setting,
        "budgets": list(map(float, curve.budgets)),
        "gains": list(map(float, curve.gains)),
    }


def _cost(record: Record) -> Row:
    seconds = {
        f"{stage}_seconds": sum(f.cost.get("seconds", 0.0) for f in found.values()) if found else None
        for stage, found in ((stage, record.found[stage]) for stage in STAGES)
    }
    costs = ((key, name, x) for _, key, f in record.items() for name, x in f.cost.items())
    return {**seconds, "rates": {f"{key}.{name}": x for key, name, x in costs if name != "seconds"}}


def _mlflow(name: str, config: Config, digest: str) -> Row | None:
    if "experiment" not in (tracking := config.get("tracking", {})):
        return None
    found_by = f"tags.`veilbench.digest` = '{digest}'"
    return {"experiment": tracking["experiment"], "run_name": name, "filter": found_by}


def flatten(node: Any, path: str = "") -> dict[str, Any]:
    """Flatten nested objects to dotted names; lists of plain values are joined with "; ", null becomes ""."""
    if isinstance(node, list) and not any(isinstance(child, dict) for child in node):
        return {path: "; ".join(map(str, node))}
    if isinstance(node, (dict, list)):
        children = node.items() if isinstance(node, dict) else enumerate(node)
        parts = (flatten(child, f"{path}.{key}" if path else str(key)) for key, child in children)
        return {key: value for part in parts for key, value in part.items()}
    return {path: "" if node is None else node}
