"""The structure tensor's sums as a function of torch, whose gradient is computed in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from veilbench.families.templates.schemes.structure_tensor import cell_edges, sum_structure_tensor


class StructureTensorSums(torch.autograd.Function):
    """Sums the structure tensor over cells; see `sum_structure_tensor`. It has first derivatives alone."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: int) -> Tensor:
        """Compute the sums, and keep the images."""
        ctx.save_for_backward(images)
        return torch.from_numpy(sum_structure_tensor(images.detach().cpu().numpy(), grid)).to(images)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None]:
        """Return the slopes with respect to the images, from those with respect to the sums."""
        from veilbench.families.templates.schemes.tensor_kernels import spread_slopes

        (images,) = ctx.saved_tensors
        values, wanted = (np.ascontiguousarray(x.cpu().numpy(), np.float32) for x in (images, slopes))
        made = np.empty_like(values)
        spread_slopes(values, *cell_edges(values, wanted.shape[2]), wanted, made)
        return torch.from_numpy(made).to(images), None


def sum_structure_tensor_of(images: Tensor, grid: int) -> Tensor:
    """Compute the same as `sum_structure_tensor` on tensors, with gradients; it is computed on the CPU."""
    return torch.as_tensor(StructureTensorSums.apply(images, grid))  # type: ignore[no-untyped-call]
