"""The tracker that publishes nothing."""

from __future__ import annotations

from pathlib import Path

from veilbench.bench.contracts import Tracker
from veilbench.bench.experiment import Config


class NoTracking(Tracker):
    """Keeps records on disk only."""

    def publish(self, config: Config, records: Path) -> str | None:
        """Do nothing and return None."""
        return None
