"""Says what a run or a sweep would compute, from which digests, and about how long it would take on this machine."""

from __future__ import annotations

from veilbench.bench.experiment import Config
from veilbench.bench.report.records import CELL
from veilbench.bench.stages import RESULTS
from veilbench.workflow.arguments import check_arguments
from veilbench.workflow.cells.asked import compose_sweep, list_cells
from veilbench.workflow.cells.attempt import Limits
from veilbench.workflow.cells.costs import format_seconds
from veilbench.workflow.cells.launch import count_jobs
from veilbench.workflow.cells.options import take_limits
from veilbench.workflow.cells.said import announce
from veilbench.workflow.compose import composed, plain
from veilbench.workflow.explain import parse
from veilbench.workflow.job import MULTIRUN, OUTPUTS
from veilbench.workflow.run import find_folder
from veilbench.workflow.sweep import show_settings
from veilbench.workflow.timing import estimate, read_timings


def main(arguments: list[str]) -> None:
    """Print a line for each stage of a run, or for each cell of a sweep; see `veilbench plan --help`.

    Args:
        arguments: overrides in Hydra's grammar, and `--cfg job` to print the settings alone.

    Raises:
        UserError: an override is wrong.
    """
    if show_settings(arguments):
        return
    words, limits = take_limits(arguments)
    if any(override.is_sweep_override() or override.key_or_group == "sweep" for override in parse(words)):
        plan_sweep(words, limits)
    else:
        plan_run(words)


def plan_sweep(words: list[str], limits: Limits) -> None:
    """Print a line for each cell of a sweep, and how many are there already."""
    resolved: dict[tuple[str, ...], Config] = {}
    checked = check_arguments(["--multirun", *words], resolved)
    asked = list_cells([word for word in checked if word != "--multirun"], resolved)
    missing = asked.estimated(limits.since)
    seconds = {cell.name: cell.seconds for cell in missing}
    for cell in asked.cells:
        time = "" if (known := seconds.get(cell.name)) is None else f"  about {format_seconds(known)}"
        print(f"{cell.name}  {f'runs{time}' if cell.name in seconds else 'is there'}  {cell.label}")
    print(announce(asked, missing, count_jobs(compose_sweep(asked.words)[1].hydra.launcher, len(missing))))


def plan_run(overrides: list[str]) -> None:
    """Print a line for each stage of a run, and where its record is."""
    config = plain(composed(overrides), overrides=overrides)
    folder = find_folder(config, overrides)
    timings = read_timings([RESULTS, OUTPUTS, MULTIRUN])
    there = (folder / CELL).is_file()
    total, known = 0.0, True
    for stage, digest in config["digests"].items():
        seconds = None if stage == "prepare" else estimate(config, stage, timings)
        total += seconds or 0.0
        known = known and (seconds is not None or stage == "prepare")
        time = "" if stage == "prepare" else f"about {seconds:.0f} s" if seconds is not None else "time unknown"
        print(f"{stage:<9}{digest}  {'is there' if there else 'runs'}{'' if there else f'  {time}'.rstrip()}")
    if there:
        print(f"{folder} is complete: nothing runs, unless with force=true")
    else:
        time = f"about {total:.0f} s" if known else f"at least {total:.0f} s" if total else "time unknown"
        print(f"{folder}: {time}{'' if known else '; what was never run on this machine has no estimate'}")
