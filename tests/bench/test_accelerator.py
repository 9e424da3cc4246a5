"""Choice of device and threads, and the errors if a device is missing."""

from __future__ import annotations

import pytest
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build
from veilbench.workflow.compose import composed, plain


def test_two_processes_are_for_what_is_trained_alone() -> None:
    configured = build(plain(composed(["experiment=plaintext", "trainer=ddp", "trainer.accelerator=cpu"]))["trainer"])
    assert configured.lightning(distributed=True, max_epochs=1).world_size == 2
    assert configured.lightning(max_epochs=1).world_size == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_one_clear_line() -> None:
    configured = build(plain(composed(["experiment=plaintext", "trainer=gpu"]))["trainer"])
    with pytest.raises(UserError, match=r"trainer\.accelerator=gpu cannot be used here"):
        configured.lightning(distributed=True, max_epochs=1)
    assert Accelerator("auto").device() == torch.device("cpu")
