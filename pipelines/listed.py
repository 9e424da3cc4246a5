"""Reads the data sets and experiments that dvc.yaml lists for `dvc repro`. Others are run by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from veilbench.bench.errors import UserError
from veilbench.bench.yaml_file import read_mapping

PIPELINE = Path("dvc.yaml")


def read_listed() -> tuple[list[str], dict[str, str]]:
    """Return the names of the data sets, and the experiments with their data sets.

    Raises:
        UserError: dvc.yaml is missing or damaged, lists no experiments, or one whose data set is not listed.
    """
    if not PIPELINE.is_file():
        raise UserError(f"there is no {PIPELINE} in {Path.cwd()}: run this in the folder of the project")
    variables: dict[str, Any] = {}
    for part in read_mapping(PIPELINE).get("vars") or []:
        if not isinstance(part, dict):
            raise UserError(f"{PIPELINE}: {part!r} under vars is not allowed: input should be a key with a value")
        variables |= part
    datasets, experiments = variables.get("datasets"), variables.get("experiments")
    if not experiments:
        raise UserError(f"{PIPELINE} lists no experiments under vars; there must be at least one")
    if not isinstance(datasets, list) or not all(isinstance(name, str) for name in datasets):
        raise UserError(f"{PIPELINE}: datasets={datasets} is not allowed: input should be a list of names")
    if not isinstance(experiments, dict) or not all(isinstance(n, str) for p in experiments.items() for n in p):
        raise UserError(f"{PIPELINE}: experiments={experiments} is not allowed: input should be names with data sets")
    if unknown := [f"{name}: {data}" for name, data in experiments.items() if data not in datasets]:
        raise UserError(f"{PIPELINE} lists {unknown[0]}, but the datasets are: {', '.join(datasets)}")
    return datasets, experiments
