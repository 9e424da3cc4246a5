"""Where and with how many threads a model computes: the `trainer` group of the configuration."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Parallel

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
R = TypeVar("R")


class Accelerator:
    """What Lightning's Trainer is told, and what code without Lightning computes on.

    Args:
        accelerator: "auto" takes a GPU where there is one.
        devices: how many; "auto" takes one process on the CPU and all GPUs otherwise.
        strategy: Lightning's name, such as "auto" or "ddp".
        precision: Lightning's name, such as "32-true".
        threads: CPU threads of torch. Small nets with batches below about 2,048 rows are fastest with one.
        workers: texts that an attack works on at once, on the CPU; "auto" takes the cores there are. One where
            several jobs run at once. The results do not depend on it.
    """

    def __init__(
        self,
        accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"] = "auto",
        devices: Parallel | Literal["auto"] = "auto",
        strategy: str = "auto",
        precision: str = "32-true",
        threads: Parallel = 1,
        workers: Parallel | Literal["auto"] = "auto",
    ) -> None:
        self.accelerator, self.devices = accelerator, devices
        self.strategy, self.precision, self.threads = strategy, precision, threads
        self.workers = (os.cpu_count() or 1) if workers == "auto" else workers

    def at_once(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`work` on every item, in order, on as many threads as there are workers; for code that releases the GIL."""
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(work, items))

    def device(self) -> torch.device:
        """The torch device for work outside Lightning; also sets the number of threads."""
        import torch

        torch.set_num_threads(self.threads)
        wants_gpu = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return torch.device("cuda" if wants_gpu else "cpu")

    def lightning(self, bar: bool = True, distributed: bool = False, **settings: Any) -> Any:
        """A Lightning Trainer without logger and checkpoint callback: a stage keeps its own record.

        Args:
            bar: show progress, where progress is shown at all.
            distributed: use the devices and the strategy that were asked for. Otherwise one process and one device:
                an attacker's small net gains nothing from more.
            settings: more of the Trainer's arguments.

        Raises:
            UserError: this machine has no such accelerator.
        """
        import pytorch_lightning as pl
        import torch

        _quieten_lightning()
        torch.set_num_threads(self.threads)
        try:
            return pl.Trainer(
                accelerator=self.accelerator,
                devices=self.devices if distributed else 1,
                strategy=self.strategy if distributed else "auto",
                precision=cast(Any, self.precision),
                logger=False,
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=bar and shows_progress(),
                **settings,
            )
        except Exception as error:  # Lightning has an exception of its own for each accelerator
            raise UserError(f"trainer.accelerator={self.accelerator} cannot be used here: {error}") from error


def _quieten_lightning() -> None:
    """No banners about devices, loggers and services; no advice on loaders that read from memory; no deprecation."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "The 'train_dataloader' does not have many workers")
    warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec", module=r"pytorch_lightning\.utilities\._pytree")


def watched(items: Sequence[T], doing: str) -> Iterable[T]:
    """The items, with a progress bar on stderr where progress is shown at all."""
    if not shows_progress():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, doing, console=Console(stderr=True))


def shows_progress() -> bool:
    """Progress bars are for people: a terminal, and not a CI run."""
    return sys.stderr.isatty() and not os.environ.get("CI")
