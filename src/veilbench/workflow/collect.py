"""Collects the records of a sweep: leaderboard, page, mean and range over seeds, and the tracking store."""

from __future__ import annotations

import sys
from pathlib import Path

from veilbench.bench.errors import UserError, format_error
from veilbench.bench.experiment import load
from veilbench.bench.folders import write_whole_folder
from veilbench.bench.report import leaderboard, page
from veilbench.bench.report.records import CELL, Record, read_cell
from veilbench.families import register_all
from veilbench.workflow import report
from veilbench.workflow.cells import seeds
from veilbench.workflow.cells.cell import Cell
from veilbench.workflow.cells.claim import Claims
from veilbench.workflow.cells.said import describe_failure, shorten
from veilbench.workflow.cells.sweep_folder import SweepFolder
from veilbench.workflow.cells.work import publish
from veilbench.workflow.usage import USAGES

REPORT = "report"  # below the sweep's folder


def main(arguments: list[str]) -> None:
    """Write SWEEP/report and publish what the tracking store lacks; see `veilbench collect --help`.

    Args:
        arguments: folder of the sweep.

    Raises:
        UserError: there is not one argument, it is no folder of a sweep, or no cell is complete.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UserError(USAGES["collect"].line)
    register_all()
    sweep = Path(arguments[0])
    records, absent = read_sweep(sweep)
    for line in absent:
        print(f"not shown: {line}", file=sys.stderr)
    if not records:
        raise UserError(f"{sweep} has no complete cell to show")
    rows = [leaderboard.row(record) for record in records]
    settings = seeds.group_by_setting(rows)
    with write_whole_folder(sweep / REPORT, (*report.WRITTEN, seeds.FILE)) as folder:
        leaderboard.write(rows, folder)
        page.write(records, folder, absent)
        seeds.write_spreads(settings, folder)
    seeds.print_spreads(settings)
    print(f"{shorten(sweep / REPORT / 'index.html')}: {len(rows)} rows; all metrics over seeds: {seeds.FILE} beside it")


def read_sweep(sweep: Path) -> tuple[list[Record], list[str]]:
    """Read and publish the complete cells of a sweep.

    Args:
        sweep: folder of the sweep. Whatever lies in it besides the cells of its list is left alone.

    Returns:
        The records, and a line for each cell that has none.

    Raises:
        UserError: it is no folder of a sweep.
    """
    records, absent, claims = [], [], Claims(sweep)
    for cell in SweepFolder(sweep).cells():
        if not cell.is_complete():
            absent.append(_explain_absence(cell, claims))
            continue
        try:
            records.append(read_cell(cell.folder))
            publish(cell, load(cell.folder / CELL))
        except UserError as error:
            absent.append(f"{cell.label}: {format_error(error)}")
    return records, absent


def _explain_absence(cell: Cell, claims: Claims) -> str:
    if claim := claims.find(cell.name):
        return f"{cell.label}: running on {claim.host}"
    failure = cell.failure()
    return describe_failure(cell, failure) if failure else f"{cell.label}: not computed yet"
