"""Central training that resumes from a checkpoint after an interruption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.beside import write_whole_file
from veilbench.bench.contracts import Trainable
from veilbench.bench.errors import UserError
from veilbench.bench.file_lock import lock_file
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, Steps
from veilbench.bench.trained_model import TrainedModel
from veilbench.training.central import Batches, Central, Curves


class ResumableModel(Trainable):
    """A LightningModule whose checkpoints hold all that its next step depends on, such as random number generators."""


class Resumable(Central):
    """Trains as `Central` does, and saves a checkpoint after each call of `training_step`.

    A training that was interrupted and goes on ends with the same weights as one that was not, on the same machine and
    with the same number of threads.

    Args:
        state: path of the checkpoint from which an interrupted training resumes, also with another `max_steps`, without
            its suffix `.ckpt`: files that settings name are inputs of an experiment, and this one is not. It is removed
            once the record is written. Only one training at a time may use it.
        max_steps: maximum number of optimizer steps.
        batch_size: rows per optimizer step.
        steps_per_call: optimizer steps per call of `training_step`, between two checkpoints.
    """

    model_kind = ResumableModel

    def __init__(
        self, state: str, max_steps: Steps = 10_000, batch_size: Count = 64, steps_per_call: Steps = 100
    ) -> None:
        super().__init__(max_steps, batch_size, steps_per_call)
        self.state = Path(f"{state}.ckpt")

    def fit(
        self, module: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Train the module as `Central.fit` does, from the checkpoint if there is one.

        Raises:
            UserError: also if the checkpoint is damaged, of another training or in use, or cannot be written.
        """
        try:
            self.state.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write training.state={self.state}: {error.strerror}") from error
        with lock_file(self.state, wait=0):
            return super().fit(module, data, trainer, seeds, folder)

    def run(self, module: Any, batches: IterableDataset[Tensor], trainer: Accelerator, curves: Curves) -> Any:
        """Run the steps that are left, and return Lightning's Trainer."""
        assert isinstance(batches, Batches)
        checkpoints = Checkpoints(self.state, compute_fingerprint(module, batches), self.max_steps)
        found = checkpoints.find()
        lightning = trainer.lightning(distributed=True, max_epochs=1, callbacks=[curves, checkpoints])
        left = DataLoader(RemainingBatches(batches, checkpoints.steps), batch_size=None)
        lightning.fit(module, left, ckpt_path=found, weights_only=True)
        return lightning

    def forget(self) -> None:
        """Remove the checkpoint; called once the record is written."""
        self.state.unlink(missing_ok=True)


class RemainingBatches(IterableDataset[Tensor]):
    """The batches after those of an interrupted training.

    Args:
        batches: all batches.
        done: number of steps to leave out at the beginning; checkpoints are at the end of an item.
    """

    def __init__(self, batches: Batches, done: int) -> None:
        self.batches, self.done = batches, done

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the items of `batches` that are left."""
        steps = 0
        for item in self.batches:
            if steps >= self.done:
                yield item
            steps += len(item)


class Checkpoints(pl.Callback):
    """Saves a checkpoint after each call of `training_step`, but not at the end of the training.

    Args:
        path: file to write.
        fingerprint: hash of what a training that resumes must share, see `compute_fingerprint`.
        planned: number of steps at the end of the training.
    """

    def __init__(self, path: Path, fingerprint: str, planned: int) -> None:
        self.path, self.fingerprint, self.planned, self.steps = path, fingerprint, planned, 0

    def find(self) -> Path | None:
        """Return the path of the checkpoint after checking it, and take over its number of steps; None without one.

        Raises:
            UserError: the file is damaged, belongs to another training, or is after the planned number of steps.
        """
        if not self.path.exists():
            return None
        where = f"training.state={self.path}"
        try:
            saved: Any = torch.load(self.path, "cpu", weights_only=True)["callbacks"][self.state_key]
            fingerprint, self.steps = str(saved["fingerprint"]), int(saved["steps"])
        except Exception as error:  # torch raises many kinds of errors on a damaged file
            raise UserError(f"{where} holds no checkpoint of a training: remove it, or name another file") from error
        if fingerprint != self.fingerprint:
            raise UserError(f"{where} belongs to another training: remove it, or name another file")
        if self.steps >= self.planned:
            more = "raise training.max_steps, or remove it to start over"
            raise UserError(f"training.max_steps={self.planned} is not allowed: {where} is after {self.steps}: {more}")
        return self.path

    def state_dict(self) -> dict[str, Any]:
        """Return what `find` reads."""
        return {"fingerprint": self.fingerprint, "steps": self.steps}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count the steps of a call of `training_step`, and save a checkpoint.

        Raises:
            UserError: the file cannot be written.
        """
        self.steps += len(batch)
        if self.steps >= self.planned:
            return
        try:
            with write_whole_file(self.path) as partial:
                trainer.save_checkpoint(partial)
        except OSError as error:
            raise UserError(f"cannot write training.state={self.path}: {error.strerror or error}") from error


def compute_fingerprint(module: pl.LightningModule, batches: Batches) -> str:
    """Hash the data, its order and the initial weights, which a training and the one that goes on must share."""
    hashed = hashlib.sha256(repr([batches.seed, batches.batch_size, batches.steps_per_call]).encode())
    for tensor in (batches.rows, *module.parameters()):
        hashed.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return hashed.hexdigest()
