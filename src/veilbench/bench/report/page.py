"""Renders the report as one self-contained HTML file, which needs no network.

Leaderboards, verdicts with their reasons, and commands are plain HTML. Figures and the details of each experiment are
packed; the scripts unpack a section when it is opened, sort and compare rows, and export tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from veilbench.bench.family import Family, in_order
from veilbench.bench.findings import Metric, Table
from veilbench.bench.report import cards, figures, numbers, sections, tradeoff
from veilbench.bench.report.columns import columns, groups, verdict_cell
from veilbench.bench.report.leaderboard import Row, row
from veilbench.bench.report.names import anchor, shorten_all
from veilbench.bench.report.overview import overview
from veilbench.bench.report.packing import Pictures, pack
from veilbench.bench.report.records import Record
from veilbench.bench.report.searches import SearchResult
from veilbench.bench.report.specs import Comparison, Tradeoff
from veilbench.bench.verdict import ATTACKS, CONFIDENCE, MARGIN, PLATEAU, Verdict
from veilbench.version import __version__

HERE = Path(__file__).parent
MARKS = {
    Verdict.BROKEN: "broken",
    Verdict.LEAKS: "leaks",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.HOLDS: "holds",
}
SCRIPTS = ("unpack", "sort", "tables", "why", "compare")
MOST_DRAWN = 100  # experiments whose figures fit a page: each costs half a second and 25 kB
NAME = 28  # characters of a name in a table; the whole name is its tooltip


def write(
    records: Sequence[Record], folder: Path, absent: Sequence[str] = (), searches: Sequence[SearchResult] = ()
) -> None:
    """Write index.html into an existing folder.

    Args:
        records: records to show.
        folder: folder to write into.
        absent: a line for each experiment that is not shown, with the reason.
        searches: searches whose charts are shown.
    """
    (folder / "index.html").write_text(render(records, absent, searches=searches), encoding="utf8")


def render(
    records: Sequence[Record],
    absent: Sequence[str] = (),
    files: bool = True,
    searches: Sequence[SearchResult] = (),
) -> str:
    """Render the page; the same records give the same bytes.

    A page of more than `MOST_DRAWN` records has no figures and pictures of single records, and says so.

    Args:
        records: records to show.
        absent: a line for each experiment that is not shown, with the reason.
        files: whether leaderboard.json and leaderboard.csv lie beside the page.
        searches: searches whose charts are shown.
    """
    rows = [row(record) for record in records]
    families = in_order(entry["family"] for entry in rows)
    environment, pictures, drawn = _environment(), Pictures(), len(records) <= MOST_DRAWN
    packed = [
        {"row": entry, "details": render_details(environment, record, entry, pictures if drawn else None)}
        for record, entry in zip(records, rows, strict=True)
    ]
    return environment.get_template("page.html").render(
        version=__version__,
        missing=cards.MISSING,
        css=_read("page.css"),
        script=Markup("\n").join(_read(f"{name}.js") for name in SCRIPTS),
        pictures=pictures.as_json(),
        summary=summary(rows),
        absent=absent,
        most_drawn="" if drawn else str(MOST_DRAWN),
        files=files,
        rule=describe_rule(rows),
        rows=rows,
        short=shorten_all(dict.fromkeys(entry["name"] for entry in rows), NAME),
        boards=[board(family, rows) for family in families],
        families=families,
        verdicts=list(dict.fromkeys(verdict_cell(entry).text for entry in rows)),
        comparisons=[
            shown for f in families for spec in f.tables if (shown := compare_experiments(f, spec, records, rows))
        ],
        overviews=[(f, pack(drawing)) for f in families if drawn and (drawing := draw_overview(f, rows))],
        tradeoffs=[shown for f in families for spec in f.tradeoffs if (shown := compare_tradeoffs(f, spec, rows))],
        searches=[draw_search(found, index) for index, found in enumerate(searches)],
        sections=packed,
    )


def _read(name: str) -> Markup:
    """Read a part of the page; it is ours, not data."""
    return Markup((HERE / name).read_text(encoding="utf8"))


def render_details(environment: Environment, record: Record, entry: Row, pictures: Pictures | None) -> Markup:
    """Render what the section of an experiment shows below its verdict, packed; without `pictures`, only words."""
    template, shown = environment.get_template("details.html"), sections.collect(record, entry, pictures)
    return pack(template.render(section=shown, missing=cards.MISSING, stages=sections.STAGES_BY_TITLE))


def _rows_of(family: Family, rows: Sequence[Row]) -> list[Row]:
    return [entry for entry in rows if entry["family"] == family.name]


def _id(family: Family) -> str:
    """Convert a family's name to a part of an element's id, which must not contain spaces."""
    return family.name.replace(" ", "-")


def board(family: Family, rows: Sequence[Row]) -> dict[str, Any]:
    """Collect the leaderboard of one family: its rows, and the columns that they fill."""
    own = _rows_of(family, rows)
    shown = columns(family, own)
    return {"family": family, "rows": own, "columns": shown, "groups": groups(shown)}


def draw_overview(family: Family, rows: Sequence[Row]) -> str:
    """Draw the gain of every attack on every experiment of a family; empty if nothing was attacked."""
    return overview(_rows_of(family, rows), f"overview-{_id(family)}")


def compare_experiments(
    family: Family, spec: Comparison, records: Sequence[Record], rows: Sequence[Row]
) -> dict[str, Any] | None:
    """Build a table that compares a family's experiments; None if there is nothing to compare."""
    names = {entry["name"] for entry in _rows_of(family, rows)}
    found = spec.entries([record for record in records if record.name in names])
    return {"family": family, "spec": spec, "entries": found} if found else None


def compare_tradeoffs(family: Family, spec: Tradeoff, rows: Sequence[Row]) -> dict[str, Any] | None:
    """Build a figure and a table of utility against leakage of a family's methods; None if there are none."""
    found = tradeoff.points(spec, _rows_of(family, rows))
    drawing = tradeoff.draw(spec, found, f"tradeoff-{_id(family)}-{family.tradeoffs.index(spec)}")
    if not drawing:
        return None
    columns, lines = tradeoff.table(spec, found)
    return {"family": family, "spec": spec, "drawn": pack(drawing), "columns": columns, "lines": lines}


def draw_search(found: SearchResult, index: int) -> dict[str, Any]:
    """Draw the charts of a search, each with its title, packed."""
    charts = enumerate(found.charts())
    drawn = [(chart.title, pack(figures.draw(chart, f"search-{index}-{number}"))) for number, chart in charts]
    cut = sum(trial.pruned for trial in found.trials)
    return {"found": found, "charts": drawn, "cut": cut}


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "anchor": anchor,
        "words": numbers.words,
        "number": numbers.number,
        "gain": numbers.gain,
        "metric": numbers.with_interval,
        "cell": cell,
        "sentence": lambda text: text[:1].upper() + text[1:],
        "mark": lambda verdict: MARKS[Verdict(verdict)] if verdict else "none",
        "part": lambda source: source.partition(".")[0],
        "plain_gain": lambda plain: numbers.gain(Metric(**plain)),
        "verdict": verdict_cell,
        "numeric": numeric,
    }
    return environment


def numeric(table: Table) -> set[int]:
    """Return the indices of the columns that contain numbers; the first column holds the labels."""
    return {at for at in range(1, len(table.columns)) if not all(isinstance(line[at], str) for line in table.rows)}


def summary(rows: Sequence[Row]) -> dict[str, str]:
    """Summarise what was run, as pairs of label and value."""
    attacks = sum(len(row["attacks"]) for row in rows)
    kinds = len({key for row in rows for key in row["attacks"]})
    controls = sum(len(attack["controls"]) for row in rows for attack in row["attacks"].values())
    return {
        "Experiments": str(len(rows)),
        "Attacks": f"{attacks} runs of {kinds} kinds" if attacks else "none yet",
        "Controls": str(controls),
        "Data": _join_distinct(row["data"] for row in rows),
        "Seeds": _join_distinct(str(row["seed"]) for row in rows),
        "Version": f"veilbench {__version__}",
    }


def describe_rule(rows: Sequence[Row]) -> dict[str, str]:
    """Return the numbers that the rule of verdicts depends on, and how many verdicts it is expected to get wrong."""
    given = sum(bool(attack["verdict"]) for row in rows for attack in row["attacks"].values())
    return {
        "margin": f"{MARGIN:g}",
        "plateau": f"{PLATEAU:g}",
        "confidence": f"{100 * CONFIDENCE:g} %",
        "attacks": str(ATTACKS),
        "given": str(given),
        "false": f"{given * (1 - CONFIDENCE) / 2:.1f}" if given >= 10 else "0.1",
    }


def _join_distinct(values: Any) -> str:
    return ", ".join(dict.fromkeys(values))


def cell(value: str | float | Metric | None) -> str:
    """Format the value of a table's cell."""
    if isinstance(value, Metric):
        return str(numbers.with_interval(value))
    if value is None:
        return numbers.DASH
    return value if isinstance(value, str) else numbers.compact(value)
