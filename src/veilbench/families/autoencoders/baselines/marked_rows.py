"""A model whose training rows shadow models can recognise, but a threshold on the loss cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from veilbench.bench.checked_arrays import Shape, require_array
from veilbench.bench.limits import MOST, Count, Positive, Width
from veilbench.families.autoencoders.baselines.fitted import Fitted
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.families.autoencoders.shadow_models import ShadowModels
from veilbench.metrics.gaussian_ratio import random_subsets

SMALL = ShadowModels(code=8)
TINY = 1e-12  # a loss of 0 has no logarithm


class MarkedRows(Fitted, Representation):
    """The mean of many autoencoders, a little better at training rows and a little worse at test rows.

    The autoencoders are trained on random rows of all parts, so their mean log loss says how easy each row is, whether
    it is a training row or not. The offset is a share of that part of the means' spread that training has made: what
    untrained autoencoders predict, such as the norm of a row, is taken off by least squares. So neither a threshold nor
    shadow models that learn nothing gain much from it. Those that learn predict the means, and what remains is the
    offset. This is the positive control of LiRA. Unknown rows are reconstructed without error; the code is constant.

    Args:
        rows: number of rows that each autoencoder is trained on.
        models: number, size and training of the autoencoders.
        hidden: units of their layers before the code, if `models.hidden` is None.
        offset: difference between training rows and test rows, in standard deviations of the learned part. With the
            default shadow models, LiRA breaks 1.75 on all of ten fresh seeds (benchmarks/membership_controls.py); with
            eight smaller ones it missed two of six. At 2, eight shadows that had learned nothing broke it on one seed,
            so it must not be larger.
    """

    array_names = ("known", "losses", "code")

    def __init__(
        self, rows: Count = 1_000, models: ShadowModels = SMALL, hidden: Sequence[Width] = (), offset: Positive = 1.75
    ) -> None:
        super().__init__()
        self.rows, self.models, self.hidden, self.offset = rows, models, tuple(hidden), offset

    def settings(self) -> dict[str, Any]:
        """Return no settings: once fitted, the model is its arrays."""
        return {}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the fitted model from its arrays."""
        made = cls()
        made.row_shape = tuple(require_array(arrays, "row", np.integer, (None,), low=1, high=MOST).tolist())
        made.fitted_arrays = {name: require_array(arrays, name, np.generic) for name in cls.array_names}
        made.check_arrays(made.row_shape)
        return made

    def fit_arrays(self, rows: Rows, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return all training and test rows, the loss of each, and a constant code."""
        import torch

        from veilbench.families.autoencoders.shadows import shadow_losses

        known = np.concatenate([rows.train.x, rows.test.x])
        pool = np.concatenate([known, rows.auxiliary.x])
        inside = random_subsets(self.models.count, len(pool), self.rows, rng)

        def mean_log_loss(models: ShadowModels) -> np.ndarray:
            losses = shadow_losses(pool, inside, len(known), models, torch.device("cpu"), rng, self.hidden)
            return np.asarray(np.log(losses + TINY).mean(0))

        usual, untrained = mean_log_loss(self.models), mean_log_loss(replace(self.models, steps=1))
        learned = usual - np.polyval(np.polyfit(untrained, usual, 1), untrained)
        marks = np.where(np.arange(len(known)) < len(rows.train), -0.5, 0.5) * self.offset * learned.std()
        return {"known": known, "losses": np.exp(usual + marks), "code": np.zeros(self.models.code or 1, np.float32)}

    def array_shapes(self, row: tuple[int, ...]) -> dict[str, Shape]:
        """Return the shapes of the fitted arrays, for rows of shape `row`."""
        return {"known": (None, *row), "losses": (None,), "code": (None,)}

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Return zeros, shape (n, code)."""
        return np.tile(self["code"], (len(rows), 1))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return zeros, shape (n, *shape): the code says nothing."""
        return np.zeros((len(codes), *self["known"].shape[1:]), np.float32)

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows, all values of a known one raised such that its mean squared error is the stored loss."""
        losses = {row.tobytes(): loss for row, loss in zip(self["known"], self["losses"], strict=True)}
        errors = np.array([losses.get(row.tobytes(), 0.0) for row in rows]) ** 0.5
        return np.asarray(rows + errors.reshape(-1, *[1] * (rows.ndim - 1)))
