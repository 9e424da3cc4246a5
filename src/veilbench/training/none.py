"""No training: a baseline draws its key, or is fitted in closed form or by its library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Training
from veilbench.bench.findings import Findings
from veilbench.bench.subject import Subject


class NoTraining(Training):
    """Fits the baseline without gradient steps of ours."""

    model_kind = Subject

    def fit(
        self, model: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[Subject, Findings]:
        """The baseline, ready; see `Subject.fit`."""
        return model.fit(data, np.random.default_rng(seeds)), Findings("Training", notes=["nothing to train"])
