"""No tracking store."""

from __future__ import annotations

from pathlib import Path

from veilbench.experiment import Config


class NoTracking:
    """Keeps records on disk only."""

    def publish(self, config: Config, records: Path) -> str | None:
        """Nothing."""
        return None
