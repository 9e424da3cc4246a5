"""Choice of device and threads, and the errors if a device is missing."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build
from veilbench.workflow.compose import composed, plain


class Constant(pl.LightningModule):
    """A model of one number."""

    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return (batch[0] - self.value).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def test_two_processes_are_for_what_is_trained_alone() -> None:
    configured = build(plain(composed(["experiment=plaintext", "trainer=ddp", "trainer.accelerator=cpu"]))["trainer"])
    assert configured.lightning(distributed=True, max_epochs=1).world_size == 2
    assert configured.lightning(max_epochs=1).world_size == 1


def test_a_machine_with_slurm_gets_no_advice_and_processes_are_not_tasks_of_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "srun"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name, value in {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "job"}.items():  # Lightning refuses such a job
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = Accelerator("cpu").lightning(max_epochs=1)
        trainer.fit(Constant(), DataLoader(TensorDataset(torch.zeros(2, 1))))
        assert trainer.world_size == 1
        two = Accelerator("cpu", 2, "ddp").lightning(distributed=True, max_epochs=1)
        assert two.world_size == 2
        monkeypatch.delenv("SLURM_NTASKS")  # a machine with Slurm, outside a job
        Accelerator("cpu").lightning(distributed=True, max_epochs=1)
    assert not [str(warning.message) for warning in caught if "srun" in str(warning.message)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_one_clear_line() -> None:
    configured = build(plain(composed(["experiment=plaintext", "trainer=gpu"]))["trainer"])
    with pytest.raises(UserError, match=r"trainer\.accelerator=gpu cannot be used here"):
        configured.lightning(distributed=True, max_epochs=1)
    assert Accelerator("auto").device() == torch.device("cpu")
