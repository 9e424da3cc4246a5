"""Losses that put codes of one person near each other and codes of others far away, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.families.templates.losses.contrastive import contrastive

MetricLoss = Literal["contrastive", "triplet", "ntxent", "supcon", "arcface"]
NAMES = ("contrastive", "triplet", "ntxent", "supcon", "arcface")


def metric_loss(
    name: MetricLoss, margin: float, temperature: float, people: int, code: int
) -> Callable[[Tensor, Tensor], Tensor]:
    """A function of codes, shape (n, d), and of numbers of their people, shape (n,), to a loss.

    All but `contrastive` are those of pytorch-metric-learning. `arcface` is a module with weights of its own.

    Args:
        name: which.
        margin: of `contrastive` and `triplet`, a distance; of `arcface`, an angle in radians.
        temperature: of `ntxent` and `supcon`.
        people: how many there are in all.
        code: length of the codes.

    Raises:
        UserError: pytorch-metric-learning is not installed.
    """
    if name == "contrastive":
        return partial(contrastive, margin=margin)
    try:
        from pytorch_metric_learning import losses
    except ImportError as error:
        raise UserError(f"loss={name} needs pytorch-metric-learning: pip install veilbench[biometric]") from error
    makers: dict[str, Callable[[], Any]] = {
        "triplet": lambda: losses.TripletMarginLoss(margin),
        "ntxent": lambda: losses.NTXentLoss(temperature),
        "supcon": lambda: losses.SupConLoss(temperature),
        "arcface": lambda: losses.ArcFaceLoss(people, code, math.degrees(margin), 16),
    }
    made: nn.Module = makers[name]()
    return made
