"""Losses of metric learning, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.families.templates.losses.contrastive import contrastive_loss

MetricLoss = Literal["contrastive", "triplet", "ntxent", "supcon", "arcface"]


def build_metric_loss(
    name: MetricLoss, margin: float, temperature: float, people: int, code: int
) -> Callable[[Tensor, Tensor], Tensor]:
    """Build a loss function of codes, shape (n, d), and their identities, shape (n,).

    All losses except for `contrastive` are from pytorch-metric-learning. `arcface` has trainable weights.

    Args:
        name: name of the loss.
        margin: margin of `contrastive` and `triplet` as a distance, or of `arcface` as an angle in radians.
        temperature: temperature of `ntxent` and `supcon`.
        people: total number of identities, for `arcface`.
        code: length of the codes, for `arcface`.

    Raises:
        UserError: pytorch-metric-learning is not installed.
    """
    if name == "contrastive":
        return partial(contrastive_loss, margin=margin)
    try:
        from pytorch_metric_learning import losses
    except ImportError as error:
        raise UserError(f"loss={name} needs pytorch-metric-learning: pip install veilbench[biometric]") from error
    builders: dict[str, Callable[[], Any]] = {
        "triplet": lambda: losses.TripletMarginLoss(margin),
        "ntxent": lambda: losses.NTXentLoss(temperature),
        "supcon": lambda: losses.SupConLoss(temperature),
        "arcface": lambda: losses.ArcFaceLoss(people, code, math.degrees(margin), 16),
    }
    loss: nn.Module = builders[name]()
    return loss
