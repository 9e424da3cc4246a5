"""The stages of one experiment. Each reads files, writes one folder whole or not at all, and returns nothing.

`prepared/<data>` holds prepared data; `results/<experiment>/<stage>` holds a stage's record.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from veilbench.accelerator import watched
from veilbench.attacks.control_memory import ControlMemory
from veilbench.errors import UserError
from veilbench.experiment import Config, part
from veilbench.findings import RECORD, Findings, write_record
from veilbench.folders import content_digest, whole_folder
from veilbench.provenance import require, sign, written
from veilbench.sources import digest
from veilbench.subject import load_subject

Watch = Callable[[int, dict[str, float]], None]
PREPARED, RESULTS = Path("prepared"), Path("results")
TRAINED = (*RECORD, "subject.json", "subject.safetensors", "weights")


def _seeds(config: Config, stage: str) -> np.random.SeedSequence:
    return np.random.SeedSequence([config["seed"], *stage.encode()])


def prepare(config: Config, folder: Path) -> None:
    """Make or read the data and write what the later stages read into `folder`."""
    with whole_folder(folder, written(folder)) as partial:
        part(config, "data").prepare(partial)
        sign(partial, "prepare", config)


def train(config: Config, data: Path, folder: Path, watch: Watch | None = None) -> None:
    """Fit the model and save it as a subject, with its learning curves.

    Args:
        config: the resolved experiment.
        data: prepared data.
        folder: for the record.
        watch: told of the steps done and the curves' latest values while training, by trainings that have curves.

    Raises:
        UserError: the data was prepared for another experiment, or the training refuses something.
    """
    require(data, "prepare", config)
    trainer = part(config, "trainer")
    model, training = part(config, "model"), part(config, "training")
    if watch:
        if not training.watchable:
            raise UserError(f"{type(training).__name__} has no curves to watch while it trains: set watched to null")
        training.watch = watch
    prepared = part(config, "data").load(data)
    with whole_folder(folder, (*TRAINED, *written(folder))) as partial:
        started = time.perf_counter()
        weights = partial / "weights"
        weights.mkdir()
        subject, findings = training.fit(model, prepared, trainer, _seeds(config, "train"), weights)
        findings.cost["seconds"] = time.perf_counter() - started
        subject.save(partial)
        write_record(partial, {"training": findings})
        sign(partial, "train", config)
    if hasattr(training, "forget"):  # what it could have gone on from is needed until the record is there
        training.forget()


def evaluate(config: Config, data: Path, trained: Path, folder: Path) -> None:
    """Measure what the trained model's code is good for."""
    _examine(config, "evaluate", "evaluation", data, trained, folder, lambda name, examiner: ())


def attack(config: Config, data: Path, trained: Path, folder: Path, controls: Path = RESULTS / ".controls") -> None:
    """Attack the trained model, each attack with its controls.

    Args:
        config: the resolved experiment.
        data: prepared data.
        trained: what the stage `train` wrote.
        folder: for the record.
        controls: where the controls' results are remembered.
    """
    require(data, "prepare", config)
    contents = content_digest(data)  # a loader's settings do not say what is in the files that they name

    def memory(name: str, examiner: Any) -> tuple[ControlMemory]:
        node = dict(config["attack"][name])
        if examiner.ladder in node:  # a control is run at the largest budget only
            node[examiner.ladder] = max(node[examiner.ladder])
        code = digest(Path(__file__), {"data": config["data"], "attack": node})
        parts = [code, node, config["data"], contents, config["trainer"], config["seed"]]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        return (ControlMemory(controls, f"{name}-{key}"),)

    _examine(config, "attack", "attack", data, trained, folder, memory)


def _examine(
    config: Config,
    stage: str,
    group: str,
    data: Path,
    trained: Path,
    folder: Path,
    more: Callable[[str, Any], tuple[Any, ...]],
) -> None:
    require(data, "prepare", config)
    require(trained, "train", config)
    trainer, examiners = part(config, "trainer"), part(config, group)
    subject = load_subject(trained)
    prepared = part(config, "data").load(data)
    found: dict[str, Findings] = {}
    with whole_folder(folder, (*RECORD, *written(folder))) as partial:
        for name, examiner in watched(list(examiners.items()), group):
            started = time.perf_counter()
            try:
                found[name] = examiner.examine(subject, prepared, trainer, _seeds(config, name), *more(name, examiner))
            except NotImplementedError as error:
                raise UserError(f"{group}.{name} does not apply to this model: {error}") from error
            found[name].cost["seconds"] = time.perf_counter() - started
        write_record(partial, found)
        sign(partial, stage, config)


def run_all(config: Config, root: Path, watch: Watch | None = None) -> None:
    """Every stage of one experiment in this process, into a folder of its own (for sweeps)."""
    data, trained = root / "prepared", root / "train"
    prepare(config, data)
    train(config, data, trained, watch)
    evaluate(config, data, trained, root / "evaluate")
    attack(config, data, trained, root / "attack")
