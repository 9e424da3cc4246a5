"""No gradient training, for baselines that only draw a key or have their own method `fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Training
from veilbench.bench.findings import Findings
from veilbench.bench.gathered import gather
from veilbench.bench.trained_model import TrainedModel


class NoTraining(Training):
    """Calls the method `fit` of the baseline."""

    model_kind = TrainedModel

    def fit(
        self, model: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Fit the baseline to the data and return it, with its notes and one that nothing was trained."""
        fitted: TrainedModel = model.fit(gather(data), np.random.default_rng(seeds))
        return fitted, Findings("Training", notes=["nothing to train", *fitted.notes()])
