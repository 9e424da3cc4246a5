"""Stage `resolve`: compose the listed experiments and data sets, and write them to params/ as plain YAML."""

from __future__ import annotations

import json
import os
from pathlib import Path

import yaml

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import Config
from veilbench.bench.findings import CURVES, HEADLINE
from veilbench.bench.folders import write_whole_folder
from veilbench.bench.stages import EXAMINERS, RESULTS
from veilbench.workflow.compose import composed, plain, plain_data
from veilbench.workflow.listed import LISTED, STAGES, read_listed

PARAMS = Path("params")
DIGESTS = "digests"  # what DVC compares, in files of its own: it reads JSON much faster than YAML
SHOWN = Path("metrics_and_plots/dvc.yaml")  # DVC reads it as a part of the pipeline
WITHIN_DVC = "DVC_STAGE"  # the variable that DVC sets for a stage's command
READ_LATER = "VEILBENCH_STAGES_READ_LATER"  # set by who starts another DVC afterwards, which reads the new list


def resolve_experiment(name: str, data: dict[str, Config]) -> Config:
    """Resolve one experiment; its data must be the data set as it stands, since several experiments share it.

    An experiment with a seed of its own draws its own data, under a name such as `text_seed_3`.

    Args:
        name: the experiment.
        data: resolved data sets by name; the experiment's own is added if it is missing.

    Raises:
        UserError: the experiment changes its data set, or a value is not allowed.
    """
    config = plain(composed([f"experiment={name}"]))
    chosen = config["names"]["data"]
    if chosen not in data:
        data[chosen] = plain_data(chosen)
    if config["data"] != data[chosen]["data"]:
        own = plain_data(chosen, config["seed"])
        if config["data"] != own["data"] or own["data"] == plain_data(chosen)["data"]:  # not by the seed
            raise UserError(f"experiment {name} changes data {chosen}; give the change a name: conf/data/<new>.yaml")
        config["names"]["data"] = f"{chosen}_seed_{config['seed']}"
        data[config["names"]["data"]] = own
    return config


def resolved(folder: Path) -> list[str]:
    """Names in a folder of params that this stage wrote: files with digests, and folders that hold nothing else."""
    whole = []
    for inner, known in (
        ("data", _with_digests(folder / "data")),
        (DIGESTS, {path.name for path in (folder / DIGESTS).glob("*.json")}),
        (STAGES.parent.name, {STAGES.name}),
    ):
        if not {path.name for path in (folder / inner).glob("*")} - known:
            whole.append(inner)
    return [*_with_digests(folder), *whole]


def _with_digests(folder: Path) -> set[str]:
    files = [path for path in folder.glob("*.yaml") if path.is_file()]
    texts = {path.name: path.read_text(encoding="utf8", errors="replace") for path in files}
    return {name for name, text in texts.items() if "\ndigests:" in text}


def main(arguments: list[str]) -> None:
    """Write params/<experiment>.yaml, params/data/<data>.yaml, their digests and the list of stages, all or none.

    Afterwards it writes metrics_and_plots/dvc.yaml, which lists the files that `dvc metrics` and `dvc plots` show.

    Raises:
        UserError: there is an argument, or a file of conf/ or a value is wrong; or, within `dvc repro`, the list of
            stages is not the one that DVC has read.
    """
    if arguments:
        raise UserError(
            f"{' '.join(arguments)} is not allowed: resolve.py takes no argument, {LISTED} lists what it does"
        )
    before = STAGES.read_text(encoding="utf8") if STAGES.is_file() else None
    data: dict[str, Config] = {}
    experiments = {name: resolve_experiment(name, data) for name in read_listed()}
    stages = {
        "datasets": list(data),
        "experiments": {name: config["names"]["data"] for name, config in experiments.items()},
    }
    with write_whole_folder(PARAMS, resolved(PARAMS)) as partial:
        (partial / "data").mkdir()
        (partial / DIGESTS).mkdir()
        (partial / STAGES.parent.name).mkdir()
        for name, config in experiments.items():
            _write(partial / f"{name}.yaml", config)
            _write_digests(partial / DIGESTS / f"{name}.json", config)
        for name, config in data.items():
            _write(partial / "data" / f"{name}.yaml", config)
            _write_digests(partial / DIGESTS / f"{name}.data.json", config)
        _write(partial / STAGES.parent.name / STAGES.name, stages)
    with write_whole_folder(SHOWN.parent, [SHOWN.name]) as partial:
        _write(partial / SHOWN.name, list_shown(list(experiments)))
    stale = WITHIN_DVC in os.environ and READ_LATER not in os.environ
    if stale and STAGES.read_text(encoding="utf8") != before:
        raise UserError(f"the list in {LISTED} has changed: run `dvc repro` again, which then has all its stages")


def list_shown(names: list[str]) -> Config:
    """Return the metrics and plots of experiments, as a dvc.yaml within a folder lists them.

    They lie within folders that are the outputs of stages. DVC lets such files be listed only apart from the stages,
    and has no templates there.
    """
    above = Path("..") / RESULTS
    examined = [above / name / stage for name in names for stage in EXAMINERS]
    stages = [above / name / stage for name in names for stage in ("train", *EXAMINERS)]
    plots = [{(folder / CURVES).as_posix(): {"x": "x", "y": "y"}} for folder in stages]
    return {"metrics": [(folder / HEADLINE).as_posix() for folder in examined], "plots": plots}


def _write(path: Path, content: Config) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf8")


def _write_digests(path: Path, config: Config) -> None:
    path.write_text(json.dumps(config["digests"], indent=1) + "\n", encoding="utf8")
