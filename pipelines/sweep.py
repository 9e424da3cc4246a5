"""All stages of one experiment in one process: `python pipelines/sweep.py -m experiment=cipher_small seed=range(3)`.

Returns the metric that `objective` names, so that a Hydra sweeper can optimise it.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipelines.arguments import check_arguments
from pipelines.compose import plain
from pipelines.explain import one_line_hydra_errors
from pipelines.hydra_folders import tidy, withdraw, write_composed
from pipelines.job import record_job
from veilbench.bench import stages
from veilbench.bench.errors import UserError, one_line_errors
from veilbench.bench.tracking import read_headline


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
        if helps_another_process():
            stages.run_all(config, folder)
            return None
        with record_job(config, folder) as forget:

            def begun() -> None:
                forget()
                write_composed(composed, folder)

            stages.run_all(config, folder, begun=begun)
    except UserError:
        withdraw(folder)
        raise
    return objective(config["objective"], folder)


def helps_another_process() -> bool:
    """Whether Lightning started this process to train with another one, which has the folder and keeps the record."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def objective(name: str | None, folder: Path) -> float | None:
    """The metric that a sweeper optimises.

    Raises:
        UserError: there is no such metric.
    """
    metrics = read_headline(folder)
    if name is not None and name not in metrics:
        raise UserError(f"objective={name} is no metric of this experiment; there are: {', '.join(metrics)}")
    return None if name is None else metrics[name]


if __name__ == "__main__":
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra's own handling would hide the cause
    with one_line_errors():
        sys.argv[1:] = check_arguments(sys.argv[1:])
        # Errors of our own code keep their traceback.
        with one_line_hydra_errors(errors=(HydraException, OmegaConfBaseException)):
            try:
                main()
            finally:
                tidy()
