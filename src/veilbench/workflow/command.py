"""Runs a stage or another command as a process: bad input ends it with one line and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from veilbench.bench import stages
from veilbench.bench.errors import UserError, one_line_errors
from veilbench.bench.experiment import load, load_data, named
from veilbench.bench.lifeline import die_with_parent
from veilbench.workflow.usage import USAGES

Main = Callable[[list[str]], int | None]


def run(name: str, main: Main, arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its exit code.

    Args:
        name: name of the command in `usage.USAGES`.
        main: the command; it takes the arguments and returns an exit code, None for success.
        arguments: arguments of the command; None for those of the process.
    """
    given, usage = list(sys.argv[1:] if arguments is None else arguments), USAGES[name]
    if {"-h", "--help"} & set(given):
        print(f"{usage.line}\n\n{usage.purpose}")
        sys.exit(0)
    with one_line_errors():
        if usage.required and not given:
            raise UserError(usage.line)
        sys.exit(main(given))


def run_as_stage(name: str, main: Main, arguments: Sequence[str] | None = None) -> None:
    """Run a command that ends when the `dvc repro` that started it ends; see `run`."""
    die_with_parent()
    run(name, main, arguments)


def run_stage(stage: str, arguments: Sequence[str] | None = None) -> None:
    """Run one stage of one experiment, or prepare one data set, in the folder of the bench.

    Args:
        stage: "prepare", "train", "evaluate" or "attack".
        arguments: the name of the experiment or the data set; None for the arguments of the process.
    """

    def main(given: list[str]) -> None:
        STAGES[stage](named(given, "DATA" if stage == "prepare" else "EXPERIMENT"))

    run_as_stage(stage, main, arguments)


def _prepare(name: str) -> None:
    stages.prepare(load_data(Path("params/data") / f"{name}.yaml"), stages.PREPARED / name)


def _train(name: str) -> None:
    config = load(Path("params") / f"{name}.yaml")
    stages.train(config, stages.PREPARED / config["names"]["data"], stages.RESULTS / name / "train")


def _evaluate(name: str) -> None:
    from veilbench.bench.report.headline import summarize_utility
    from veilbench.families import register_all

    config = load(Path("params") / f"{name}.yaml")
    root, data = stages.RESULTS / name, stages.PREPARED / config["names"]["data"]
    register_all()
    stages.evaluate(config, data, root / "train", root / "evaluate", summarize=summarize_utility)


def _attack(name: str) -> None:
    from veilbench.bench.report.headline import summarize_attacks

    config = load(Path("params") / f"{name}.yaml")
    root, data = stages.RESULTS / name, stages.PREPARED / config["names"]["data"]
    stages.attack(config, data, root / "train", root / "attack", summarize=summarize_attacks)


STAGES = {"prepare": _prepare, "train": _train, "evaluate": _evaluate, "attack": _attack}
