"""Creates signed records as stages write them, for tests of publishing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from veilbench.bench.family import Family
from veilbench.bench.findings import Curve, Figure, Findings, Metric, write_record
from veilbench.bench.provenance import sign
from veilbench.bench.report.specs import Utility
from veilbench.bench.tracking.publishing import Job
from veilbench.bench.verdict import Verdict

FAMILY = Family("ciphers", "Text ciphers", columns=(Utility("leak.share", "Share", "Share of the text"),))
MLFLOW = {"_target_": "veilbench.bench.tracking.mlflow.Mlflow"}


def config(name: str = "e", seed: int = 0, **tracking: Any) -> dict[str, Any]:
    digests = {stage: f"{name}{seed}{stage}" for stage in ("prepare", "train", "evaluate", "attack")}
    return {
        "names": {"experiment": name, "data": "text", "model": "codebook"},
        "seed": seed,
        "data": {"_target_": "veilbench.families.ciphers.data.text.TextData"},
        "digests": digests,
        "tracking": {**MLFLOW, **tracking},
    }


def found() -> Findings:
    made = Findings("Leak", {"share": Metric.exact(0.5)}, cost={"seconds": 2.0}, verdict=Verdict.HOLDS)
    made.figures.append(Figure("f", "x", "y", [Curve("loss", [1, 2], [0.1, 0.2])]))
    return made


def make(folder: Path, settings: dict[str, Any], findings: Mapping[str, Findings] | None = None) -> Path:
    """Write a signed record with its experiment.yaml, as a sweep does; one stage alone has the metrics."""
    measured = "evaluate" if findings is None else "attack"
    for stage in ("train", "evaluate", "attack"):
        (folder / stage).mkdir(parents=True)
        given = findings or {"leak": found()}
        without = {name: replace(one, metrics={}) for name, one in given.items()}
        write_record(folder / stage, given if stage == measured else without)
        sign(folder / stage, stage, settings)
    (folder / "experiment.yaml").write_text(json.dumps(settings), encoding="utf8")
    return folder


def job(folder: Path, settings: dict[str, Any], store: Path, deadline: float = 60.0) -> Job:
    return Job(f"sqlite:///{store}", "veilbench", deadline, 10.0, settings, folder, FAMILY)
