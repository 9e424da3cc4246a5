"""Stage `report`: write the leaderboard and the page; with `--table`, print the leaderboard in the terminal."""

from __future__ import annotations

from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.folders import write_whole_folder
from veilbench.bench.report import leaderboard, page
from veilbench.bench.report.records import read_all
from veilbench.bench.report.table import print_table
from veilbench.bench.stages import RESULTS
from veilbench.families import register_all
from veilbench.workflow.listed import read_staged

PARAMS, REPORT = Path("params"), Path("report")
WRITTEN = ("index.html", "leaderboard.json", "leaderboard.csv")


def main(arguments: list[str]) -> None:
    """Write report/ completely or not at all, or print the leaderboard.

    Raises:
        UserError: an argument is unknown, or a record is missing or damaged.
    """
    if arguments not in ([], ["--table"]):
        raise UserError(f"{' '.join(arguments)} is not allowed; usage: report.py [--table]")
    register_all()
    if arguments:
        print_table(leaderboard.load_rows(REPORT / "leaderboard.json"))
        print(f"\nThe whole report: {REPORT / 'index.html'}. Every run with its curves: `make ui` opens MLflow.")
        return
    records = read_all(list(read_staged()), PARAMS, RESULTS)
    with write_whole_folder(REPORT, WRITTEN) as partial:
        leaderboard.write([leaderboard.row(record) for record in records], partial)
        page.write(records, partial)
