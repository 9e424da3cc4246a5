"""Stage `report`: the leaderboard and the page; with `--table`, the leaderboard in this terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from veilbench.errors import UserError, one_line_errors
from veilbench.findings import whole_folder
from veilbench.lifeline import die_with_parent
from veilbench.report import leaderboard, page
from veilbench.report.records import read_all
from veilbench.report.table import print_table
from veilbench.stages import RESULTS

PIPELINE, PARAMS, REPORT = Path("dvc.yaml"), Path("params"), Path("report")


def experiment_names() -> list[str]:
    """The experiments that dvc.yaml lists.

    Raises:
        UserError: it lists none.
    """
    parts = yaml.safe_load(PIPELINE.read_text(encoding="utf8")).get("vars", [])
    if not (names := [name for part in parts for name in part.get("experiments", {})]):
        raise UserError(f"{PIPELINE} lists no experiments under vars; there must be at least one")
    return names


def main(table_only: bool) -> None:
    """Write report/ whole or not at all, or print what it says."""
    if table_only:
        print_table(leaderboard.load_rows(REPORT / "leaderboard.json"))
        print(f"\nThe whole report: {REPORT / 'index.html'}. Every run with its curves: `make ui` opens MLflow.")
        return
    records = read_all(experiment_names(), PARAMS, RESULTS)
    with whole_folder(REPORT) as partial:
        leaderboard.write([leaderboard.row(record) for record in records], partial)
        page.write(records, partial)


if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        main("--table" in sys.argv[1:])
