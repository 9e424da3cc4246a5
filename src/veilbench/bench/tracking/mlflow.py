"""Publishes records to MLflow. Publishing is idempotent: the same record is always the same run.

Records that could not be published stay on disk and can be published later.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from veilbench.bench.contracts import Tracker
from veilbench.bench.experiment import Config
from veilbench.bench.family import family_named, family_of
from veilbench.bench.limits import Positive
from veilbench.bench.masking import ADDRESS, mask_secrets
from veilbench.bench.tracking.address import check_address, check_no_secret
from veilbench.bench.tracking.faults import StoreFault, Unreachable
from veilbench.bench.tracking.lease import DEFAULT_LEASE
from veilbench.bench.tracking.publisher_process import ask
from veilbench.bench.tracking.publishing import Job


class Mlflow(Tracker):
    """An MLflow tracking store.

    Args:
        uri: address of the store; None uses the environment's `MLFLOW_TRACKING_URI`, or a SQLite file in the working
            folder. It must not hold a password, since configurations are written to disk and shown in the report.
        experiment: name of the MLflow experiment under which runs are grouped.
        deadline: seconds that publishing one record may take, from opening the store to the last file.
        lease: minutes without a sign of life after which others may take over what this process was publishing. It
            should exceed the difference between the clocks of the publishing hosts.
    """

    def __init__(
        self,
        uri: str | None = None,
        experiment: str = "veilbench",
        deadline: Positive = 60.0,
        lease: Positive = DEFAULT_LEASE,
    ) -> None:
        if uri is not None:
            check_no_secret(uri, "tracking.uri")
            check_address(uri, "tracking.uri")
        if not experiment.strip():
            raise ValueError(f"tracking.experiment={experiment!r} is not allowed: it should be a name")
        self.uri, self.experiment, self.deadline, self.lease = uri, experiment, deadline, lease

    def address(self) -> str:
        """Return the address of the store.

        Raises:
            StoreFault: the environment's `MLFLOW_TRACKING_URI` is not the address of a store.
        """
        if self.uri:
            return self.uri
        if given := os.environ.get(ADDRESS):
            try:
                check_address(given, ADDRESS)
            except ValueError as error:
                raise StoreFault(str(error)) from None
            return given
        return f"sqlite:///{Path('mlflow.db').resolve()}"

    def publish(self, config: Config, records: Path) -> str | None:
        """Publish the record of one experiment; does nothing if it is there already.

        Args:
            config: the resolved configuration of the experiment.
            records: the folder that holds one folder per stage.

        Returns:
            The run's id. If the store cannot be reached: None, after printing one line to stderr.

        Raises:
            StoreFault: the store is broken, full, deleted or refuses access.
            UserError: the record is damaged, or was made with other parameters.
        """
        address = self.address()
        family = family_named(family_of(config))
        job = Job(address, self.experiment, self.deadline, self.lease, config, records.resolve(), family)
        try:
            return ask(job)
        except Unreachable as error:
            print(
                f"tracking: {mask_secrets(address, address)} cannot be reached, the record is kept in {records} and "
                f"can be published later with `python pipelines/track.py`: {error}",
                file=sys.stderr,
            )
            return None
