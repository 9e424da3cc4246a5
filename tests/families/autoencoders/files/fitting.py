"""Models that the real stages fit, for the commands to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from veilbench.bench import stages
from veilbench.workflow.compose import composed, plain

Train = Callable[..., Path]
Refusal = Callable[..., str]


def fit(folder: Path, *overrides: str) -> Path:
    """Prepare data and fit a model without training; give back the folder of the model."""
    config = plain(composed(["training=none", "tracking=none", *overrides]))
    stages.prepare(config, folder / "prepared")
    stages.train(config, folder / "prepared", folder / "train")
    return folder / "train"
