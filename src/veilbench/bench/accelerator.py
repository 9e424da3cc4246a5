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
    """Settings for Lightning's Trainer, and the device and threads of code that does not use Lightning.

    Args:
        accelerator: Lightning's name of the hardware; "auto" uses a GPU if there is one.
        devices: number of devices; "auto" uses one process on the CPU, or all GPUs.
        strategy: Lightning's strategy, such as "auto" or "ddp".
        precision: Lightning's precision, such as "32-true".
        threads: CPU threads of torch. Small nets with batches below about 2,048 rows are fastest with one.
        workers: number of parallel CPU workers for attacks; "auto" uses all cores. Use 1 when several jobs share the
            machine. Results do not depend on it.
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

    def map_parallel(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Apply `work` to every item on `workers` threads, for code that releases the GIL; keeps the order."""
        with ThreadPoolExecutor(self.workers) as pool:
            return list(pool.map(work, items))

    def device(self) -> torch.device:
        """Return the torch device for work outside Lightning, and set torch's number of threads."""
        import torch

        torch.set_num_threads(self.threads)
        wants_gpu = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return torch.device("cuda" if wants_gpu else "cpu")

    def lightning(self, bar: bool = True, distributed: bool = False, **settings: Any) -> Any:
        """Create a Lightning Trainer without logger and checkpoint callback: stages keep their own record.

        Args:
            bar: whether to show a progress bar, if `shows_progress`.
            distributed: whether to use `devices` and `strategy`. Otherwise one process on one device, because an
                attacker's small net gains nothing from more.
            settings: further arguments of the Trainer.

        Raises:
            UserError: this machine has no such accelerator.
        """
        import pytorch_lightning as pl
        import torch
        from lightning_fabric.plugins.environments.lightning import LightningEnvironment

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
                plugins=LightningEnvironment(),  # its processes are no tasks of a Slurm job around it
                **settings,
            )
        except Exception as error:  # Lightning has an exception of its own for each accelerator
            raise UserError(f"trainer.accelerator={self.accelerator} cannot be used here: {error}") from error


def _quieten_lightning() -> None:
    """Silence Lightning's banners, its advice on loaders and Slurm, and a deprecation warning."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "The 'train_dataloader' does not have many workers")
    warnings.filterwarnings("ignore", "The `srun` command is available on your system but is not used")
    warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec", module=r"pytorch_lightning\.utilities\._pytree")


def show_progress_of(items: Sequence[T], doing: str) -> Iterable[T]:
    """Return the items, wrapped in a progress bar on stderr if `shows_progress`."""
    if not shows_progress():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, doing, console=Console(stderr=True))


def shows_progress() -> bool:
    """Whether to show progress bars: stderr is a terminal, and this is not a CI run."""
    return sys.stderr.isatty() and not os.environ.get("CI")
