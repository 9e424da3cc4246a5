"""The results page, from docs/results.json and the rows that others have sent in: docs/rows/*.json."""

from __future__ import annotations

from repository import ROOT, table
from veilbench.bench.family import in_order
from veilbench.bench.report.columns import controls_cell, measured_columns, metric
from veilbench.bench.report.leaderboard import Row, strongest
from veilbench.bench.report.numbers import parts
from veilbench.bench.report.published import Published, load_published
from veilbench.families import register_all

RESULTS = ROOT / "docs" / "results.json"
HEAD = """# Results

One row per experiment and seed. Gains have 99 % intervals ([verdicts](verdicts.md)). The strongest attack counts, by
verdict and then by gain. There is no verdict "secure": an attack that failed shows only that it failed at its budget.

This page is made from `docs/results.json`: {rows} rows of veilbench {version} at commit `{commit}`. To compute them
again:

```
make bench
veilbench report --record docs/results.json
```

To send in a row of your own: [submit](submit.md).
"""


def describe_results() -> str:
    """Return the results page: a leaderboard for each family, then every attack on every experiment."""
    register_all()
    own = load_published(RESULTS)
    sent = [(path.stem, load_published(path)) for path in sorted((ROOT / "docs" / "rows").glob("*.json"))]
    rows = [*own.rows, *(row for _, found in sent for row in found.rows)]
    head = HEAD.format(rows=len(own.rows), version=own.version, commit=own.commit[:12])
    return "\n".join([head, *_sent(sent), *_leaderboards(rows), "## Every attack\n", *map(_attacks, rows)])


def _sent(found: list[tuple[str, Published]]) -> list[str]:
    if not found:
        return []
    rows = [[name, one.version, f"`{one.commit[:12]}`", str(len(one.rows))] for name, one in found]
    return ["Rows that others have sent in:\n", table(["from", "veilbench", "commit", "rows"], rows)]


def _leaderboards(rows: list[Row]) -> list[str]:
    parts = []
    for family in in_order(row["family"] for row in rows):
        members = [row for row in rows if row["family"] == family.name]
        specs = measured_columns(family, members)
        head = ["experiment", "seed", "verdict", "strongest attack: gain", "controls", *(spec.label for spec in specs)]
        lines = [[*_lead(row), *(_value(row, spec.metric, spec.digits) for spec in specs)] for row in members]
        parts.append(f"## {family.title}\n\n{table(head, lines)}")
    return parts


def _lead(row: Row) -> list[str]:
    name = strongest(row)
    attack = f"{name} {_gain(row['attacks'][name]['gain'])}" if name else "–"
    link = f"[`{row['name']}`](#{_anchor(row)})"
    return [link, str(row["seed"]), row["verdict"] or "not attacked", attack, controls_cell(row).text]


def _value(row: Row, name: str, digits: int | None) -> str:
    found = row["metrics"].get(name)
    return _two_lines(*parts(metric(found), digits is None, digits)) if found else "–"


def _gain(found: Row | None) -> str:
    return _two_lines(*parts(metric(found), share=False, digits=3)) if found else "–"


def _two_lines(value: str, interval: str) -> str:
    return f"{value}<br><small>{interval}</small>" if interval else value


def _attacks(row: Row) -> str:
    lines = []
    for name, attack in row["attacks"].items():
        why = "; ".join(part for part in (attack["reason"], attack["doubt"]) if part)
        lines.append([f"[{name}](attacks.md#{name})", _gain(attack["gain"]), attack["verdict"] or "no verdict", why])
    heading = f"### {row['name']}, seed {row['seed']} {{ #{_anchor(row)} }}"
    commands = "\n".join(row["reproduce"])
    return f"{heading}\n\n{table(['attack', 'gain', 'verdict', 'why'], lines)}\n```\n{commands}\n```\n"


def _anchor(row: Row) -> str:
    return f"row-{row['digest']}"
