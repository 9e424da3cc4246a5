"""What dvc.yaml lists: the data sets and the experiments that `dvc repro` rebuilds. Others run by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from veilbench.errors import UserError

PIPELINE = Path("dvc.yaml")


def listed() -> tuple[list[str], dict[str, str]]:
    """Names of data sets, and names of experiments with their data sets.

    Raises:
        UserError: no experiments are listed, or one with a data set that is not.
    """
    variables: dict[str, Any] = {}
    for part in yaml.safe_load(PIPELINE.read_text(encoding="utf8")).get("vars", []):
        variables |= part
    datasets, experiments = variables.get("datasets", []), variables.get("experiments", {})
    if not experiments:
        raise UserError(f"{PIPELINE} lists no experiments under vars; there must be at least one")
    if unknown := [f"{name}: {data}" for name, data in experiments.items() if data not in datasets]:
        raise UserError(f"{PIPELINE} lists {unknown[0]}, but the datasets are: {', '.join(datasets)}")
    return datasets, experiments
