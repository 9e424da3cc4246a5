"""Shadow models: small autoencoders that an attacker trains in parallel, each on its own rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from veilbench.bench.limits import require_room
from veilbench.families.autoencoders.shadow_models import HIDDEN, ShadowModels
from veilbench.nets.stacked_mlp import StackedMLP

BLOCK = 512  # rows per forward pass when losses are computed


def shadow_losses(
    pool: np.ndarray,
    inside: np.ndarray,
    candidates: int,
    shadows: ShadowModels,
    device: torch.device,
    rng: np.random.Generator,
    hidden: Sequence[int] = (),
) -> np.ndarray:
    """Train shadow models and compute their mean squared errors on the candidates, shape (shadows, candidates).

    Args:
        pool: all rows that the attacker has, the candidates first, shape (n, ...).
        inside: whether each shadow is trained on each row, shape (shadows, n), bool; at least one row for every shadow.
        candidates: number of candidates, rows whose membership is tested.
        shadows: size and training of the shadow models; `code` must be set.
        device: torch device to compute on.
        rng: source of the initial weights and the batches.
        hidden: units of the layers before the code, and in reverse after it, if `shadows.hidden` is None.

    Raises:
        ValueError: `shadows.code` is None.
    """
    if shadows.code is None:
        raise ValueError("code=None must be a length: a shadow model cannot be built without it")
    flat = pool.reshape(len(pool), -1).astype(np.float32)
    centre, scale = flat.mean(0), float(flat.std()) or 1.0  # one scale for all columns: errors stay comparable
    rows = torch.from_numpy((flat - centre) / scale).to(device)
    layers = [shadows.hidden] if shadows.hidden else [*hidden] or [HIDDEN]
    widths = [flat.shape[1], *layers, shadows.code, *layers[::-1], flat.shape[1]]
    net = StackedMLP(widths, len(inside))
    net.reset_parameters(torch.Generator().manual_seed(int(rng.integers(2**62))))
    _train(net.to(device), rows, inside, shadows, rng)
    with torch.no_grad():
        errors = [
            ((net(block.expand(len(inside), *block.shape)) - block) ** 2).mean(2)
            for block in torch.split(rows[:candidates], BLOCK)
        ]
    return np.asarray(torch.cat(errors, 1).cpu().numpy().astype(np.float64) * scale**2)


def _train(net: StackedMLP, rows: Tensor, inside: np.ndarray, shadows: ShadowModels, rng: np.random.Generator) -> None:
    members_of = [np.flatnonzero(row) for row in inside]
    require_room(
        f"shadows.count={len(members_of)} with batch_size={shadows.batch_size}",
        len(members_of),
        shadows.batch_size,
        rows.shape[1],
    )
    adam = torch.optim.Adam(net.parameters(), shadows.learning_rate, fused=True)
    for _ in range(shadows.steps):
        batch_rows = np.stack([members[rng.integers(len(members), size=shadows.batch_size)] for members in members_of])
        batch = rows[torch.from_numpy(batch_rows).to(rows.device)]
        adam.zero_grad(set_to_none=True)
        ((net(batch) - batch) ** 2).mean((1, 2)).sum().backward()
        adam.step()
