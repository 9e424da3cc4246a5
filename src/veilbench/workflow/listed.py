"""What `dvc repro` rebuilds: the experiments that conf/pipeline.yaml lists. Others run by name.

The stages of dvc.yaml need each experiment's data set, which only composing tells. So the stage `resolve` writes the
experiments with their data sets to params/stages/pipeline.yaml, and dvc.yaml reads them there.
"""

from __future__ import annotations

from pathlib import Path

from veilbench.bench.errors import UserError
from veilbench.bench.yaml_file import read_mapping
from veilbench.workflow.conf import conf_folders

LISTED = "pipeline.yaml"
STAGES = Path("params/stages/pipeline.yaml")


def read_listed(file: str = LISTED) -> list[str]:
    """Read the names of the experiments in a file of conf/, by default conf/pipeline.yaml.

    Args:
        file: name of the file, such as "tour.yaml".

    Raises:
        UserError: the file is missing or damaged, or it lists none, or one twice.
    """
    listed = conf_folders()[0] / file
    if not listed.is_file():
        raise UserError(f"there is no {listed}: list the experiments of this bench in it, under the key experiments")
    names = read_mapping(listed).get("experiments")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{listed}: experiments={names} is not allowed: input should be a list of at least one name")
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UserError(f"{listed} lists {min(repeated)} more than once")
    return names


def read_staged() -> dict[str, str]:
    """Read the experiments that dvc.yaml has stages for, each with its data set.

    Raises:
        UserError: params/stages/pipeline.yaml is missing or damaged.
    """
    if not STAGES.is_file():
        raise UserError(f"there is no {STAGES} in {Path.cwd()}: run `veilbench resolve` in the folder of the bench")
    experiments = read_mapping(STAGES).get("experiments")
    if (
        not isinstance(experiments, dict)
        or not experiments
        or not all(isinstance(n, str) for pair in experiments.items() for n in pair)
    ):
        raise UserError(f"{STAGES} is damaged: experiments={experiments}; run `veilbench resolve`")
    return experiments
