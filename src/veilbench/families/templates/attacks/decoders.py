"""Reconstruction of images from templates: trained decoders, and optimisation by gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from veilbench.attack_methods.ridge import Inverse, ridge
from veilbench.bench.accelerator import Accelerator

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor, nn

Decoder = Literal["linear", "mlp", "convolutional"]
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # codes, images, held-out codes, held-out images
CHANNELS = (8, 16, 32, 32)
LEARNING_RATE = 0.05  # of Adam on images, in grey levels of a range of 1


def decoder(
    kind: Decoder, pairs: Pairs, components: int, hidden: int, steps: int, place: Accelerator, rng: np.random.Generator
) -> Inverse:
    """Train a decoder from codes to images of shape (n, c, h, w) in [0, 1].

    Args:
        kind: "linear": ridge regression to pixels; "mlp": a perceptron to principal components of the training images;
            "convolutional": a linear layer followed by strided convolutions back to pixels.
        pairs: training codes and images, held-out codes and images; shapes (n, code), (n, c, h, w), (m, code) and (m,
            c, h, w).
        components: number of principal components that the perceptron predicts.
        hidden: units of each of the perceptron's two layers.
        steps: training steps of a network; the convolutional one makes a quarter of them, because its steps cost more.
        place: device and trainer settings.
        rng: source of the first weights and of the batches.
    """
    codes, images, held_codes, held_images = pairs
    shape, (flat, held_flat) = images.shape[1:], (x.reshape(len(x), -1) for x in (images, held_images))
    if kind == "linear":
        inverse = ridge(codes, flat, held_codes, held_flat)[0]
    elif kind == "mlp":
        inverse = _perceptron(codes, flat, held_codes, held_flat, components, hidden, steps, place, rng)
    else:
        from torch import nn

        from veilbench.attack_methods.inverter import trained
        from veilbench.nets.convolutional import Convolutional

        def build() -> nn.Module:
            return nn.Sequential(Convolutional(codes.shape[1], CHANNELS).build(shape)[1], nn.Flatten())

        inverse = trained(build, (codes, flat, held_codes, held_flat), max(1, steps // 4), place, rng)[0]
    return lambda seen: np.asarray(np.clip(inverse(seen), 0, 1).reshape(-1, *shape), np.float32)


def _perceptron(
    codes: np.ndarray,
    flat: np.ndarray,
    held_codes: np.ndarray,
    held_flat: np.ndarray,
    components: int,
    hidden: int,
    steps: int,
    place: Accelerator,
    rng: np.random.Generator,
) -> Inverse:
    from veilbench.attack_methods.inverter import perceptron

    mean = flat.mean(0)
    basis = principal(flat, components)
    wanted, held = ((x - mean) @ basis.T for x in (flat, held_flat))
    inverse = perceptron(codes, wanted, held_codes, held, hidden, steps, place, rng)[0]
    return lambda seen: np.asarray(inverse(seen) @ basis + mean)


def principal(flat: np.ndarray, components: int) -> np.ndarray:
    """Return the orthonormal directions of largest variance, shape (at most components, numbers)."""
    centred = (flat - flat.mean(0)).astype(np.float64)
    values, left = np.linalg.eigh(centred @ centred.T)  # Gram matrix of the rows, fewer than the pixels
    order = np.argsort(values)[::-1][: min(components, len(flat) - 1)]
    order = order[values[order] > 1e-9 * max(float(values.max()), 1e-300)]
    return np.asarray((left[:, order] / np.sqrt(values[order])).T @ centred, np.float32)


def total_variation(images: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring pixels, shape (n,).

    This is the anisotropic total variation (Rudin, Osher and Fatemi 1992).
    """
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().flatten(1).mean(1)
    return down + (images[..., 1:] - images[..., :-1]).abs().flatten(1).mean(1)


def searched(
    likeness: Callable[[Tensor], Tensor], start: np.ndarray, steps: int, smooth: float, device: torch.device
) -> np.ndarray:
    """Optimise images for a match score by Adam, starting from `start` (after Mahendran and Vedaldi 2015).

    Args:
        likeness: differentiable match score of each image with its target, shape (n, c, h, w) to (n,).
        start: initial images, shape (n, c, h, w), in [0, 1].
        steps: number of gradient steps.
        smooth: weight of the total variation relative to the match score.
        device: torch device to compute on.
    """
    import torch

    images = torch.from_numpy(start.copy()).to(device).requires_grad_()
    optimizer = torch.optim.Adam([images], LEARNING_RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = smooth * total_variation(images) - likeness(images)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            images.clamp_(0, 1)
    return np.asarray(images.detach().cpu().numpy())
