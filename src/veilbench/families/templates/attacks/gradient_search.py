"""Gradient search for images with a high match score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Count, Natural, NotNegative
from veilbench.families.templates.attacks.system import FEWEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch
    from torch import Tensor

LEARNING_RATE = 0.05  # of Adam; pixels are in [0, 1]


@dataclass(frozen=True)
class GradientSearch:
    """Budget of a gradient search for images with a high match score.

    Attributes:
        steps: number of gradient steps; 0 skips the search.
        total_variation: weight of the images' total variation relative to the match score.
        surrogate_queries: number of the attacker's own images, one query each, whose match scores a surrogate is fitted
            to; used if the key is unknown and scores can be queried.
    """

    steps: Natural = 60
    total_variation: NotNegative = 0.1
    surrogate_queries: Annotated[Count, Ge(FEWEST)] = 300


def optimise_images(
    score: Callable[[Tensor], Tensor],
    start: np.ndarray,
    search: GradientSearch,
    device: torch.device,
    kept: Sequence[int] = (),
) -> list[np.ndarray]:
    """Maximise the match score of images by Adam, with a penalty on their total variation (Mahendran and Vedaldi 2015).

    Args:
        score: differentiable match score of each image with its target, shape (n, c, h, w) to (n,).
        start: initial images, shape (n, c, h, w), in [0, 1].
        search: number of steps, and weight of the penalty.
        device: torch device to compute on.
        kept: numbers of steps after which to return the images; by default after the last one.

    Returns:
        The images after each of these numbers of steps, shape (n, c, h, w), in [0, 1].
    """
    import torch

    images = torch.from_numpy(start.copy()).to(device).requires_grad_()
    optimizer, found = torch.optim.Adam([images], LEARNING_RATE), dict[int, np.ndarray]()
    for step in range(1, search.steps + 1):
        optimizer.zero_grad()
        loss = search.total_variation * total_variation(images) - score(images)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            images.clamp_(0, 1)
        if step in (kept or [search.steps]):
            found[step] = images.detach().cpu().numpy().copy()
    return list(found.values())


def total_variation(images: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels, shape (n,).

    This is the anisotropic total variation (Rudin, Osher and Fatemi 1992).
    """
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().flatten(1).mean(1)
    return down + (images[..., 1:] - images[..., :-1]).abs().flatten(1).mean(1)
