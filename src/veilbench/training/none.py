"""No training: a baseline only needs its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veilbench.accelerator import Accelerator
from veilbench.findings import Findings
from veilbench.subject import Subject


class NoTraining:
    """Draws the baseline's key."""

    def fit(
        self, model: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[Subject, Findings]:
        """The baseline under a fresh key."""
        return model.with_fresh_key(np.random.default_rng(seeds)), Findings("Training", notes=["nothing to train"])
