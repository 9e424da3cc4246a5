"""No tracking store."""

from __future__ import annotations

from pathlib import Path

from veilbench.contracts import Tracker
from veilbench.experiment import Config


class NoTracking(Tracker):
    """Keeps records on disk only."""

    def publish(self, config: Config, records: Path) -> str | None:
        """Nothing."""
        return None
