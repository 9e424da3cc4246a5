"""All stages of one experiment in one process: `python pipelines/sweep.py -m experiment=cipher_small seed=range(3)`.

Returns the metric that `objective` names, so that a Hydra sweeper can optimise it.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pipelines.compose import hydra_errors, plain
from veilbench import stages
from veilbench.errors import UserError, one_line_errors
from veilbench.experiment import build
from veilbench.masking import LOGIN, masked
from veilbench.tracking import headline
from veilbench.tracking.address import REMEDY


@hydra.main(  # type: ignore[untyped-decorator]
    config_path="../conf", config_name="config", version_base="1.3"
)
def main(composed: DictConfig) -> float | None:
    """Run one job of a sweep; a single run ends the process here on bad input, a sweep after its last job."""
    hydra_config = HydraConfig.get()
    with one_line_errors() if hydra_config.mode == RunMode.RUN else nullcontext():
        choices, overrides = dict(hydra_config.runtime.choices), list(hydra_config.overrides.task)
        return run(composed, choices, overrides, Path(hydra_config.runtime.output_dir))


def run(composed: DictConfig, choices: dict[str, str], overrides: list[str], folder: Path) -> float | None:
    """Check the configuration, run all stages into `folder`, and publish the record."""
    try:
        config = plain(composed, choices, overrides)
    except UserError:
        withdraw(folder)
        raise
    stages.run_all(config, folder)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf8")
    build(config["tracking"]).publish(config, folder)
    return objective(config["objective"], folder)


def refuse_passwords(overrides: list[str]) -> None:
    """Refuse a password in an address: Hydra prints overrides, and writes them into the job's folder.

    Raises:
        UserError: there is one. The text does not show it.
    """
    for override in overrides:
        if (login := LOGIN.search(override)) and login[2]:
            raise UserError(f"{masked(override)} holds a password, and overrides are written to disk; {REMEDY}")


def withdraw(folder: Path) -> None:
    """Remove the folder that Hydra made for a job that never began, and the empty ones above it."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # not empty: other jobs are in it
        folder.parent.rmdir()
        folder.parent.parent.rmdir()


def objective(name: str | None, folder: Path) -> float | None:
    """The metric that a sweeper optimises.

    Raises:
        UserError: there is no such metric.
    """
    metrics = headline(folder)
    if name is not None and name not in metrics:
        raise UserError(f"objective={name} is no metric of this experiment; there are: {', '.join(metrics)}")
    return None if name is None else metrics[name]


if __name__ == "__main__":
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra's own handling would hide the cause
    with one_line_errors(), hydra_errors():
        refuse_passwords(sys.argv[1:])
        main()
