"""How the commands of the workflow are called: one text for `veilbench NAME` and for `python pipelines/NAME.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Arguments and purpose of one command.

    Attributes:
        name: name of the command, and of its script in pipelines/ if it has one.
        arguments: arguments as a usage line shows them; empty if the command takes none.
        purpose: what the command does, in one or two sentences.
        required: whether the command needs at least one argument.
    """

    name: str
    arguments: str
    purpose: str
    required: bool = False

    @property
    def line(self) -> str:
        """Return the usage line, such as "usage: veilbench train EXPERIMENT"."""
        return f"usage: veilbench {self.name} {self.arguments}".rstrip()


SETTINGS = "--cfg job prints the composed settings instead"
USAGES = {
    usage.name: usage
    for usage in (
        Usage(
            "init", "FOLDER", "Make a new bench: FOLDER with configuration, an example and the stages for DVC.", True
        ),
        Usage(
            "list",
            "[models|data|trainings|evaluations|attacks|experiments] [--family NAME]",
            "List what can be chosen, and where it comes from.",
        ),
        Usage(
            "run",
            "experiment=NAME [OVERRIDE ...] [force=true]",
            "Run all stages of one experiment, with overrides in Hydra's grammar. The record is written to outputs/, "
            "into a folder that is named by experiment, overrides and a digest of settings and code. The same command "
            f"finds a complete record; force=true computes it again. {SETTINGS}.",
            True,
        ),
        Usage(
            "plan",
            "experiment=NAME [OVERRIDE ...]",
            "Say what `veilbench run` with the same overrides would do, from which digests, and about how long; where "
            f"they list values, what `veilbench sweep` would do. {SETTINGS}.",
            True,
        ),
        Usage(
            "sweep",
            "experiment=NAME [KEY=1,2,3 ...] [seed=range(3)] [--timeout SECONDS] [--retries N] [force=true]",
            "Run an experiment with many settings. Complete cells are skipped; force=true computes them again. "
            "A cell may take --timeout seconds, and is started again up to --retries times if it crashes. --cfg job "
            "prints the settings of the first cell instead; --hydra-help lists Hydra's other options. The script "
            "pipelines/sweep.py runs a single job, and a sweep with -m.",
            True,
        ),
        Usage(
            "status",
            "SWEEP",
            "Say how many cells of the sweep in the folder SWEEP are done, running, failed and missing, and about how "
            "long the rest takes.",
            True,
        ),
        Usage(
            "collect",
            "SWEEP",
            "Write the leaderboard and the page of the sweep in the folder SWEEP into SWEEP/report, with the mean and "
            "the range over seeds for each setting, and publish the records that the tracking store lacks.",
            True,
        ),
        Usage(
            "search",
            "NAME [storage=ADDRESS] [OVERRIDE ...]",
            "Search for good settings with Optuna; NAME is a file of conf/search. Several processes and machines work "
            "on one study if they name the same database or journal file, such as "
            f"storage=postgresql+psycopg://host/name. {SETTINGS}.",
            True,
        ),
        Usage(
            "repro",
            "[JOBS] [--tour]",
            "Run `dvc repro` on several cores, by default one job for each core; --tour runs the experiments of "
            "conf/tour.yaml alone.",
        ),
        Usage(
            "report",
            "[--table | --record FILE] [FOLDER ...]",
            "Write report/ from results/, or from the records in the folders. --table prints their leaderboard "
            "instead, without a folder the one that was written last; --record writes their rows to FILE instead, "
            "for others to compare.",
        ),
        Usage("track", "[FOLDER ...]", "Publish all records that the tracking store lacks, or those in the folders."),
        Usage("resolve", "", "Write the resolved settings of the experiments of conf/pipeline.yaml to params/."),
        Usage("prepare", "DATA", "Stage of DVC: generate or read the data set DATA of params/data.", True),
        Usage("train", "EXPERIMENT", "Stage of DVC: fit the model of EXPERIMENT of params/.", True),
        Usage("evaluate", "EXPERIMENT", "Stage of DVC: measure the utility of EXPERIMENT of params/.", True),
        Usage("attack", "EXPERIMENT", "Stage of DVC: attack EXPERIMENT of params/.", True),
    )
}
