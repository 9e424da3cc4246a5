"""Stage `resolve`: compose the listed experiments and data sets, and write them to params/ as plain YAML."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from pipelines.compose import composed, plain, plain_data
from pipelines.listed import read_listed
from veilbench.bench.errors import UserError, one_line_errors
from veilbench.bench.experiment import Config
from veilbench.bench.folders import write_whole_folder
from veilbench.bench.lifeline import die_with_parent

PARAMS = Path("params")


def resolve_experiment(name: str, data: dict[str, Config]) -> Config:
    """One experiment; its data must be the data set as it stands, since several experiments share it.

    Raises:
        UserError: the experiment changes its data set, or uses another one than dvc.yaml says.
    """
    config = plain(composed([f"experiment={name}"]))
    chosen = config["names"]["data"]
    if chosen not in data:
        raise UserError(f"experiment {name} uses data {chosen}, which dvc.yaml does not list under datasets")
    if config["data"] != data[chosen]["data"]:
        raise UserError(f"experiment {name} changes data {chosen}; give the change a name: conf/data/<new>.yaml")
    return config


def resolved(folder: Path) -> list[str]:
    """Names in a folder of params that this stage wrote: files with digests, and `data` if it holds nothing else."""
    data = folder / "data"
    foreign = {path.name for path in data.glob("*")} - _with_digests(data)
    return [*_with_digests(folder), *([] if foreign else ["data"])]


def _with_digests(folder: Path) -> set[str]:
    texts = {path.name: path.read_text(encoding="utf8", errors="replace") for path in folder.glob("*.yaml")}
    return {name for name, text in texts.items() if "\ndigests:" in text}


def main(arguments: list[str]) -> None:
    """Write params/<experiment>.yaml and params/data/<data>.yaml, all or none.

    Raises:
        UserError: there is an argument, or a file of conf/ or a value is wrong.
    """
    if arguments:
        raise UserError(
            f"{' '.join(arguments)} is not allowed: resolve.py takes no argument, dvc.yaml lists what it does"
        )
    datasets, names = read_listed()
    data = {name: plain_data(name) for name in datasets}
    experiments = {name: resolve_experiment(name, data) for name in names}
    with write_whole_folder(PARAMS, resolved(PARAMS)) as partial:
        (partial / "data").mkdir()
        for name, config in experiments.items():
            (partial / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf8")
        for name, config in data.items():
            (partial / "data" / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf8")


if __name__ == "__main__":
    die_with_parent()
    with one_line_errors():
        main(sys.argv[1:])
