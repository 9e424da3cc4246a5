"""Training of a denoiser for all noise levels at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from annotated_types import Ge, Lt
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from veilbench.bench.errors import UserError
from veilbench.bench.limits import LearningRate, Natural, NotNegative, Positive, PositiveShare, Share, Side
from veilbench.bench.trained_model import load_trained_model
from veilbench.corruptions.rotation import Rotation
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.included import find_model
from veilbench.families.autoencoders.schemes.denoiser import Denoiser
from veilbench.nets.multi_scale import Blocks, Levels, MultiScale
from veilbench.training.resumable import ResumableModel

AT_ONCE = 64  # validation images per forward pass, to bound the memory


class Denoising(pl.LightningModule, ResumableModel):
    """Trains a network to remove white Gaussian noise of a level that it is told.

    Patches are cropped, turned, mirrored and corrupted anew at every step. The loss is the root of each patch's mean
    squared error, so that smooth patches with little noise are not outweighed by others. The trained model has the
    exponential moving average of the weights.

    The learning rate rises linearly, stays, and falls linearly to zero over the last steps. Where it begins to fall
    depends on the planned number of steps alone, so that an interrupted training may resume with another number.

    Args:
        channels: number of channels at each resolution of `MultiScale`.
        blocks: number of residual blocks of `MultiScale`.
        lowest: lowest standard deviation of the noise in training, in the units of the images.
        highest: highest standard deviation; levels are drawn uniformly.
        crop: height and width of the crops, in pixels; at most those of the patches, which have to be square.
        learning_rate: highest learning rate of AdamW.
        weight_decay: weight decay of AdamW.
        warm_up: number of steps in which the learning rate rises.
        fall: share of the steps, at the end, in which the learning rate falls.
        whole: share of the steps, at the end, in which whole patches are used instead of crops.
        average: decay of the moving average of the weights, per step.
        largest_norm: norm to which longer gradients are scaled.
        initial: folder of a trained denoiser whose weights to start from, or the name of one that is included; None
            draws new weights.
    """

    data_kind = Rows
    trained_kind = Denoiser

    net: MultiScale
    averaged: AveragedModel
    generator: torch.Generator

    def __init__(
        self,
        channels: Levels = (64, 96, 128),
        blocks: Blocks = 1,
        lowest: NotNegative = 0.0,
        highest: Positive = 55 / 255,
        crop: Side = 64,
        learning_rate: LearningRate = 2e-3,
        weight_decay: NotNegative = 1e-4,
        warm_up: Natural = 200,
        fall: PositiveShare = 0.7,
        whole: Share = 0.1,
        average: Annotated[float, Ge(0), Lt(1)] = 0.999,
        largest_norm: Positive = 1.0,
        initial: str | None = None,
    ) -> None:
        if lowest > highest:
            raise ValueError(f"lowest={lowest} must be at most highest={highest}")
        super().__init__()
        self.automatic_optimization = False
        self.channels, self.blocks, self.lowest, self.highest = list(channels), blocks, lowest, highest
        self.crop, self.learning_rate, self.weight_decay = crop, learning_rate, weight_decay
        self.warm_up, self.fall, self.whole = warm_up, fall, whole
        self.average, self.largest_norm, self.initial = average, largest_norm, initial
        self.turn = Rotation()
        self.planned_steps = 1  # set by the training before `start`
        self.curves: dict[str, float] = {}

    def start(self, rows: Rows, seeds: np.random.SeedSequence) -> Tensor:
        """Build the network with initial weights.

        Returns:
            The training patches, shape (n, channels, size, size).

        Raises:
            UserError: the rows are not square images, or are smaller than the crops, or `initial` is no denoiser of
                this architecture.
        """
        square = len(rows.shape) == 3 and rows.shape[0] in (1, 3) and rows.shape[1] == rows.shape[2]
        if not square or rows.shape[1] < self.crop:
            raise UserError(f"model.crop={self.crop} needs square images of that size or larger, not {rows.shape}")
        self.seed, self.drawn = int(seeds.generate_state(1)[0]), cast("Tensor | None", None)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = MultiScale(self.channels, self.blocks, rows.shape[0])
        if self.initial:
            net.load_state_dict(self._load_initial(net).state_dict())
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster convolutions
        decay: Any = get_ema_multi_avg_fn(self.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.net, multi_avg_fn=decay).requires_grad_(False)
        self.validation, self.steps = torch.from_numpy(rows.validation.x), 0
        return torch.from_numpy(rows.train.x)

    def _load_initial(self, net: MultiScale) -> MultiScale:
        """Return the network of `initial`.

        Raises:
            UserError: it is no denoiser, or has another architecture than `net`.
        """
        model = load_trained_model(find_model(Path(str(self.initial))))
        if not isinstance(model, Denoiser) or model.net.settings() != net.settings():
            has = model.net.settings() if isinstance(model, Denoiser) else f"a {type(model).__name__}"
            raise UserError(f"model.initial={self.initial} holds {has}, and the model to train has {net.settings()}")
        return model.net

    def on_fit_start(self) -> None:
        """Create the random generator on the device, where drawing noise is fast; `drawn` is a checkpoint's state."""
        self.generator = torch.Generator(self.device).manual_seed(self.seed)
        if self.drawn is not None:
            self.generator.set_state(self.drawn)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam with decoupled weight decay, fused."""
        settings: dict[str, Any] = {"betas": (0.9, 0.99), "weight_decay": self.weight_decay, "fused": True}
        return torch.optim.AdamW(self.net.parameters(), self.learning_rate, **settings)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        left = (self.planned_steps - step) / (self.fall * self.planned_steps)
        return self.learning_rate * min(1.0, (step + 1) / (self.warm_up + 1), left)

    def training_step(self, batches: Tensor) -> None:
        """Run one optimizer step per row of `batches`, shape (steps, batch, channels, size, size)."""
        optimizer = cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False))
        total = torch.zeros((), device=self.device)
        for step, batch in enumerate(batches, self.steps):
            optimizer.param_groups[0]["lr"] = self.rate(step)
            optimizer.zero_grad()
            whole = step >= (1 - self.whole) * self.planned_steps
            lost = self.loss(self.net, self.turn(batch if whole else self._crop(batch), self.generator), self.generator)
            self.manual_backward(lost)
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.largest_norm)
            optimizer.step()
            self.averaged.update_parameters(self.net)
            total += lost.detach()
        self.steps += len(batches)
        self.curves = {"loss": float(total) / len(batches), "validation loss": self._validate()}

    def loss(self, net: torch.nn.Module, clean: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean loss of a network on images, shape (n, channels, h, w), with noise of random levels."""
        draw = torch.rand(len(clean), generator=generator, device=generator.device).to(clean.device)
        sigma = self.lowest + (self.highest - self.lowest) * draw
        noise = torch.randn(clean.shape, generator=generator, device=generator.device).to(clean.device)
        restored = net(clean + sigma.view(-1, 1, 1, 1) * noise, sigma)
        errors = (restored.float() - clean).square().mean((1, 2, 3))
        return torch.as_tensor((errors + 1e-6).sqrt().mean())  # without the sum, no error has no gradient

    def _crop(self, batch: Tensor) -> Tensor:
        room, device = batch.shape[-1] - self.crop + 1, self.generator.device
        top, left = torch.randint(room, (2,), generator=self.generator, device=device).tolist()
        return batch[..., top : top + self.crop, left : left + self.crop]

    @torch.no_grad()
    def _validate(self) -> float:
        """Return the loss of the averaged weights on the validation images, with the same noise each time."""
        generator = torch.Generator().manual_seed(0)
        parts = torch.split(self.validation, AT_ONCE)
        losses = [float(self.loss(self.averaged, part.to(self.device), generator)) * len(part) for part in parts]
        return sum(losses) / len(self.validation)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the number of steps and the state of the random numbers to a checkpoint."""
        checkpoint["progress"] = {"steps": self.steps, "generator": self.generator.get_state()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore what `on_save_checkpoint` added."""
        self.steps = checkpoint["progress"]["steps"]
        self.drawn = checkpoint["progress"]["generator"]

    def trained_model(self) -> Denoiser:
        """Return the trained model with the averaged weights."""
        return Denoiser(cast(MultiScale, self.averaged.module).cpu(), self.highest)
