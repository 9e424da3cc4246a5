"""Central training: all data in one place, one Lightning Trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Kinds, Training
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Count, Steps
from veilbench.bench.trained_model import TrainedModel


class Batches(IterableDataset[Tensor]):
    """Shuffled mini-batches of a tensor in memory, several per item.

    Args:
        rows: the training data, shape (n, ...).
        batch_size: rows per optimizer step; None uses full batches of the distinct rows, without shuffling.
        steps_per_call: number of batches stacked for one call of `training_step`.
        seed: seed of the shuffling; in distributed training the rank is added to it.
        steps: total number of batches.
    """

    def __init__(self, rows: Tensor, batch_size: int | None, steps_per_call: int, seed: int, steps: int) -> None:
        self.rows = torch.unique(rows, dim=0) if batch_size is None else rows
        self.batch_size = len(self.rows) if batch_size is None else min(batch_size, len(rows))
        self.shuffles = batch_size is not None
        self.steps_per_call, self.seed, self.steps = steps_per_call, seed, steps

    def __iter__(self) -> Iterator[Tensor]:
        """Yield tensors of shape (steps_per_call, batch_size, ...); the last one may have fewer steps."""
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank = torch.distributed.get_rank() if distributed else 0  # each process uses a different order
        generator = torch.Generator().manual_seed(self.seed + rank)
        order = torch.arange(0)
        for step in range(0, self.steps, self.steps_per_call):
            steps = min(self.steps_per_call, self.steps - step)
            while len(order) < steps * self.batch_size:
                rows = len(self.rows)
                epoch = torch.randperm(rows, generator=generator) if self.shuffles else torch.arange(rows)
                order = torch.cat([order, epoch])
            call, order = order[: steps * self.batch_size], order[steps * self.batch_size :]
            yield self.rows[call].view(steps, self.batch_size, *self.rows.shape[1:])


class Curves(pl.Callback):
    """Records the values that the module leaves in its `curves` after each call of `training_step`.

    Args:
        watch: function that is called with the number of steps so far and the latest values; an exception from it
            stops the training. None to call nothing.
    """

    def __init__(self, watch: Callable[[int, dict[str, float]], None] | None = None) -> None:
        self.watch = watch
        self.steps = 0
        self.points: dict[str, list[tuple[int, float]]] = {}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Append the latest values, and call `watch`.

        Raises:
            UserError: a value is not finite.
        """
        self.steps += len(batch)
        for name, value in pl_module.curves.items():
            if not math.isfinite(value):
                raise UserError(
                    f"training diverged: {name} is {value} after {self.steps} steps; lower the learning rate"
                )
            self.points.setdefault(name, []).append((self.steps, value))
        if self.watch:
            self.watch(self.steps, pl_module.curves)

    def state_dict(self) -> dict[str, Any]:
        """Return the values so far, for a checkpoint."""
        return {"steps": self.steps, "points": self.points}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the values of a checkpoint."""
        self.steps, self.points = state_dict["steps"], state_dict["points"]

    def figure(self, name: str) -> Figure:
        """Return the learning curve of one logged value."""
        x, y = zip(*self.points[name], strict=True)
        return Figure(f"Training: {name}", "optimizer steps", name, [Curve(name, x, y)], log_y=name == "loss")


class Central(Training):
    """Trains a LightningModule until it stops by itself or `max_steps` is reached.

    Args:
        max_steps: maximum number of optimizer steps.
        batch_size: rows per optimizer step; None uses full batches of the distinct rows.
        steps_per_call: optimizer steps per call of `training_step`; a larger number reduces Lightning's overhead.
    """

    model_kind: ClassVar[Kinds] = pl.LightningModule
    watchable = True

    def __init__(
        self,
        max_steps: Steps = 10_000,
        batch_size: Count | None = None,
        steps_per_call: Steps = 25,
    ) -> None:
        self.max_steps, self.batch_size, self.steps_per_call = max_steps, batch_size, steps_per_call

    def fit(
        self, module: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Train the module and write `model.ckpt` and `weights.safetensors` to `folder`.

        Raises:
            UserError: the loss became infinite or NaN, or no weight changed.
        """
        key, order = seeds.spawn(2)
        trainer.device()  # sets the number of threads, also for what the module computes in `start`
        module.planned_steps = self.planned_steps(data)
        rows = module.start(data, key)
        before = [p.detach().clone() for p in module.parameters()]
        seed = int(order.generate_state(1)[0])
        batches = self.batches(rows, seed)
        curves = Curves(self.watch)
        lightning = self.run(module, batches, trainer, curves)
        if all(torch.equal(a, b.cpu()) for a, b in zip(before, module.parameters(), strict=True)):
            raise UserError("the training changed no weight; raise training.max_steps or the learning rate")
        lightning.save_checkpoint(folder / "model.ckpt")
        if lightning.global_rank:  # in distributed training only rank 0 writes the record
            raise SystemExit(0)
        save_file({k: v.cpu().contiguous() for k, v in module.state_dict().items()}, folder / "weights.safetensors")
        return module.trained_model(), self._findings(curves)

    def run(self, module: Any, batches: IterableDataset[Tensor], trainer: Accelerator, curves: Curves) -> Any:
        """Run all steps, and return Lightning's Trainer."""
        lightning = trainer.lightning(distributed=True, max_epochs=1, callbacks=[curves])
        lightning.fit(module, DataLoader(batches, batch_size=None), weights_only=True)
        return lightning

    def planned_steps(self, data: Any) -> int:
        """Return the maximum number of optimizer steps."""
        return self.max_steps

    def batches(self, rows: Tensor, seed: int) -> IterableDataset[Tensor]:
        """Return the data set whose items are passed to `training_step`."""
        return Batches(rows, self.batch_size, self.steps_per_call, seed, self.max_steps)

    def _findings(self, curves: Curves) -> Findings:
        last = {name: points[-1] for name, points in curves.points.items()}
        steps = max(step for step, _ in last.values())
        metrics = {name.replace(" ", "_"): Metric.exact(value) for name, (_, value) in last.items()}
        figures = [curves.figure(name) for name in curves.points]
        return Findings("Training", {"steps": Metric.exact(steps), **metrics}, figures)
