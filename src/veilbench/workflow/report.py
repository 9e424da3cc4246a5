"""Stage `report`: write the leaderboard and the page; with `--table`, print them as a table in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.folders import write_whole_folder
from veilbench.bench.report import leaderboard, page
from veilbench.bench.report.published import publish
from veilbench.bench.report.records import CELL, Record, find_cells, read, read_cell
from veilbench.bench.report.searches import find_searches
from veilbench.bench.report.table import print_table
from veilbench.bench.stages import RESULTS
from veilbench.families import register_all
from veilbench.workflow.listed import STAGES, read_staged
from veilbench.workflow.usage import USAGES

UI = "mlflow ui --backend-store-uri sqlite:///mlflow.db"
PARAMS, REPORT = Path("params"), Path("report")
MOST_NAMED = 6  # experiments without results that are listed by name
WRITTEN = ("index.html", "leaderboard.json", "leaderboard.csv")


def main(arguments: list[str]) -> None:
    """Write report/ completely or not at all, or print the leaderboard.

    Args:
        arguments: nothing for the experiments of the pipeline, or folders: `results` for the experiments of the
            pipeline, others with the records of sweeps and runs. With `--table` before them, their leaderboard is
            printed instead; `--table` alone prints the leaderboard that was written last. With `--record FILE` before
            them, their rows are written to a file instead, for others to compare.

    Raises:
        UserError: an argument is unknown, a folder holds no record, or there is no whole record at all.
    """
    register_all()
    shown, file = arguments[:1] == ["--table"], _find_file(arguments)
    folders = arguments[1:] if shown else arguments[2:] if file else arguments
    if wrong := [word for word in folders if word.startswith("-")]:
        raise UserError(f"{wrong[0]} is not allowed; {USAGES['report'].line}")
    if shown and not folders:
        print_table(leaderboard.load_rows(REPORT / "leaderboard.json"))
        print(f"\nThe whole report: {REPORT / 'index.html'}. Every run with its curves: `{UI}`.")
        return
    records, absent = read_records([Path(word) for word in folders or [str(RESULTS)]])
    for line in absent:
        print(f"not shown: {line}", file=sys.stderr)
    if not records:
        raise UserError(f"there is no whole record to show; {absent[0]}")
    rows = [leaderboard.row(record) for record in records]
    if shown:
        print_table(rows)
    elif file:
        publish(rows, file)
        print(f"{file}: {len(records)} rows")
    else:
        with write_whole_folder(REPORT, WRITTEN) as folder:
            leaderboard.write(rows, folder)
            page.write(records, folder, absent, find_searches([Path(word) for word in folders]))
        print(f"{REPORT / 'index.html'}: {len(records)} rows")


def _find_file(arguments: list[str]) -> Path | None:
    """Return the file that `--record` names, if it is given."""
    return Path(arguments[1]) if arguments[:1] == ["--record"] and len(arguments) > 1 else None


def _find_time(folder: Path) -> float:
    """Return when a record was written; 0 for an experiment of the pipeline."""
    marker = folder / CELL
    return marker.stat().st_mtime if marker.is_file() else 0.0


def describe_not_run(names: Sequence[str]) -> str:
    """Return a line about experiments of the pipeline without results: their names, or how many, if there are many."""
    if len(names) > MOST_NAMED:
        return f"not run yet: {len(names)} experiments of the pipeline, such as {names[0]}"
    return f"not run yet: {', '.join(names)}"


def read_records(folders: Sequence[Path]) -> tuple[list[Record], list[str]]:
    """Read the records of some folders.

    Returns:
        The whole records, and a line for each one that is missing or damaged. Of records with the same name only the
        one that was written last is shown: code has changed since the others.

    Raises:
        UserError: a folder holds no record.
    """
    readers: dict[str, Callable[[], Record]] = {}
    staged = list(read_staged()) if RESULTS in folders and STAGES.is_file() else []
    for folder in folders:
        if folder == RESULTS and staged:
            readers |= {name: partial(read, name, PARAMS, RESULTS) for name in staged}
        else:
            readers |= {str(cell): partial(read_cell, cell) for cell in find_cells([folder])}
    records: dict[str, Record] = {}
    written: dict[str, float] = {}
    absent = []
    if not_run := [name for name in staged if not (RESULTS / name).exists()]:
        absent.append(describe_not_run(not_run))
    for name, reader in readers.items():
        if name in not_run:
            continue
        try:
            record = reader()
        except UserError as error:
            absent.append(f"{name}: {format_error(error)}")
            continue
        if record.name in records:
            absent.append(f"{name}: another record is called {record.name}")
        if (time := _find_time(Path(name))) >= written.get(record.name, 0.0):
            records[record.name], written[record.name] = record, time
    return list(records.values()), absent
