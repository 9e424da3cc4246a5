"""Runs all stages of an experiment on a finished model, as `python pipelines/sweep.py` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from veilbench.bench import homes
from veilbench.bench.stages import run_all
from veilbench.bench.trained_model import TrainedModel, load_trained_model
from veilbench.workflow.compose import composed, plain


def register(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a file a module of the bench that one stands in, until the test ends."""
    own = homes.Home(homes.BENCH, {module.stem: module})
    ours = homes.Home("veilbench", {"veilbench": homes.PACKAGE}, homes._own_conf())
    monkeypatch.setattr(homes, "_list_homes", lambda folder: (own, ours))


class Finished:
    """The record of an experiment whose stages have all run in a folder of their own."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.folder, self.config = folder, plain(composed([*overrides, "trainer=cpu", "tracking=none"]))
        run_all(self.config, folder)

    @property
    def model(self) -> TrainedModel:
        """The model as the later stages load it."""
        return load_trained_model(self.folder / "train")

    def found(self, stage: str) -> dict[str, Any]:
        """The findings of `evaluate` or `attack`, by name."""
        found: dict[str, Any] = json.loads((self.folder / stage / "findings.json").read_text(encoding="utf8"))
        return found

    def inapplicable(self) -> dict[str, str]:
        """What does not apply to the model, by name, each with its reason."""
        parts = {**self.found("evaluate"), **self.found("attack")}
        return {name: one["reason"] for name, one in parts.items() if one["reason"].startswith("not applicable")}
