from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from veilbench.bench.errors import UserError
from veilbench.families.autoencoders.losses import loss_per_row, resolve_loss

UNIT = np.array([[0.0, 1.0], [0.5, 0.25]], np.float32)
WIDE = np.array([[-1.0, 1.0], [2.0, 0.0]], np.float32)


def test_auto_goes_by_the_range_of_the_rows() -> None:
    assert resolve_loss("auto", UNIT) == "bce"
    assert resolve_loss("auto", WIDE) == "mse"
    assert resolve_loss("mse", UNIT) == "mse"


@pytest.mark.parametrize(("loss", "named"), [("bce", "model.loss=bce"), ("multinomial", "model.loss=multinomial")])
def test_a_loss_that_does_not_fit_the_range_is_refused(loss: str, named: str) -> None:
    with pytest.raises(UserError, match=rf"{named} needs .* \[-1, 2\]"):
        resolve_loss(loss, WIDE)  # type: ignore[arg-type]


def test_against_a_loop_and_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 2, 3, generator=generator)
    rows = (torch.rand(5, 2, 3, generator=generator) > 0.5).float()
    rows[:, 0, 0] = 1  # no row without a count
    flat, wanted = logits.flatten(1), rows.flatten(1)
    squared = [float(((z - x) ** 2).mean()) for z, x in zip(flat, wanted, strict=True)]
    assert loss_per_row("mse", logits, rows).tolist() == pytest.approx(squared)
    crossed = [log_loss(x.numpy(), z.sigmoid().numpy(), labels=[0, 1]) for z, x in zip(flat, wanted, strict=True)]
    assert loss_per_row("bce", logits, rows).tolist() == pytest.approx(crossed, rel=1e-5)
    counted = [float(-(z.softmax(0).log() * x).sum() / x.sum()) for z, x in zip(flat, wanted, strict=True)]
    assert loss_per_row("multinomial", logits, rows).tolist() == pytest.approx(counted, rel=1e-5)
