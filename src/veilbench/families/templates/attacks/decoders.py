"""Decoders that an attacker trains to reconstruct images from templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.attack_methods.ridge import Inverse, ridge
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import BudgetCurve
from veilbench.bench.limits import Count, Steps, Width
from veilbench.families.templates.attacks.assembly import Pieces, describe_cells
from veilbench.families.templates.attacks.decoder_curves import curve_over_rows, curve_over_steps
from veilbench.families.templates.attacks.principal_components import principal_components
from veilbench.families.templates.attacks.system import FEWEST

if TYPE_CHECKING:
    from torch import nn

DecoderKind = Literal["linear", "mlp", "convolutional", "assembled"]
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # codes, images, held-out codes, held-out images
CHANNELS = (8, 16, 32, 32)  # of the convolutional decoder, from the image to the code


@dataclass(frozen=True)
class Decoders:
    """Kinds of decoders that an inversion trains, and what they are trained with.

    Attributes:
        kinds: "linear": ridge regression to pixels; "mlp": a perceptron to principal components of the training images;
            "convolutional": a linear layer followed by strided convolutions back to pixels; "assembled": ridge
            regression to the direction of the edges and the brightness in the cells of a grid, and an image put
            together from pieces of the attacker's own images that have them. The mean of many images is blurred, and
            blur has no edges; an assembled image keeps them.
        sizes: numbers of auxiliary impressions to train on, one decoder each; capped at the available number.
        components: number of principal components that the perceptron predicts.
        hidden: units of each of the perceptron's two layers.
        steps: training steps of the perceptron. The convolutional decoder takes a quarter of them, because each of its
            steps costs more.
    """

    kinds: Annotated[Sequence[DecoderKind], MinLen(1)] = ("linear", "mlp", "convolutional", "assembled")
    sizes: Annotated[Sequence[Annotated[Count, Ge(FEWEST)]], MinLen(1)] = (100, 2000)
    components: Width = 128
    hidden: Width = 256
    steps: Steps = 300
    cells: Annotated[Width, Ge(2)] = 12


class FittedDecoder(NamedTuple):
    """A decoder, and what a larger training budget would bring.

    Attributes:
        inverse: the map from codes, shape (n, code), to images in [0, 1], shape (n, c, h, w).
        curve: share of the held-out images' variance that it recovers, for increasing training budgets.
    """

    inverse: Inverse
    curve: BudgetCurve


def fit_decoder(
    kind: DecoderKind, pairs: Pairs, decoders: Decoders, accelerator: Accelerator, rng: np.random.Generator
) -> FittedDecoder:
    """Train a decoder from codes to images in [0, 1].

    Args:
        kind: kind of the decoder, one of `DecoderKind`.
        pairs: training codes (n, code) and images (n, c, h, w); held-out codes (m, code) and images (m, c, h, w).
        decoders: sizes and training steps of the networks.
        accelerator: device and trainer settings.
        rng: source of the initial weights and of the batches.

    Returns:
        The decoder, with its curve over the training budget: steps for the networks, rows for the others.
    """
    codes, images, held_codes, held_images = pairs
    shape, (flat, held_flat) = images.shape[1:], (x.reshape(len(x), -1) for x in (images, held_images))
    rows = codes, flat, held_codes, held_flat
    if kind == "linear":
        inverse, curve = _fit_linear(rows)
    elif kind == "mlp":
        inverse, curve = _fit_perceptron(rows, decoders, accelerator, rng)
    elif kind == "assembled":
        inverse, curve = _fit_assembled(pairs, decoders)
    else:
        inverse, curve = _fit_convolutional(rows, shape, decoders, accelerator, rng)
    return FittedDecoder(
        lambda new_codes: np.asarray(np.clip(inverse(new_codes), 0, 1).reshape(-1, *shape), np.float32), curve
    )


def _fit_linear(rows: Pairs) -> tuple[Inverse, BudgetCurve]:
    """Fit a ridge regression, and another one to half of the rows for the curve."""
    codes, flat, held_codes, held_flat = rows
    n, half = len(codes), len(codes) // 2
    inverse, error = ridge(*rows)
    errors = {half: ridge(codes[:half], flat[:half], held_codes, held_flat)[1], n: error}
    return inverse, curve_over_rows(errors, _mean_error(flat, held_flat))


def _fit_assembled(pairs: Pairs, decoders: Decoders) -> tuple[Inverse, BudgetCurve]:
    """Fit a ridge regression to what describes the cells; its curve is the share of these properties' variance."""
    codes, images, held_codes, held_images = pairs
    cells = min(decoders.cells, *images.shape[-2:])
    pieces = Pieces(images, cells)
    described, held = (x.reshape(len(x), -1) for x in (pieces.described, describe_cells(held_images, cells)))
    inverse, curve = _fit_linear((codes, described, held_codes, held))

    def assemble(new_codes: np.ndarray) -> np.ndarray:
        wanted = np.asarray(inverse(new_codes), np.float32)
        return pieces.assemble(wanted.reshape(-1, *pieces.described.shape[1:]))

    return assemble, curve


def _fit_perceptron(
    rows: Pairs, decoders: Decoders, accelerator: Accelerator, rng: np.random.Generator
) -> tuple[Inverse, BudgetCurve]:
    from veilbench.attack_methods.inverter import fit_perceptron

    codes, flat, held_codes, held_flat = rows
    mean = flat.mean(0)
    basis = principal_components(flat, decoders.components)
    components, held_components = ((x - mean) @ basis.T for x in (flat, held_flat))
    pairs = codes, components, held_codes, held_components
    trained = fit_perceptron(*pairs, decoders.hidden, decoders.steps, accelerator, rng)
    curve = curve_over_steps(trained.errors, _mean_error(components, held_components))
    return lambda new_codes: np.asarray(trained.inverse(new_codes) @ basis + mean), curve


def _fit_convolutional(
    rows: Pairs, shape: tuple[int, ...], decoders: Decoders, accelerator: Accelerator, rng: np.random.Generator
) -> tuple[Inverse, BudgetCurve]:
    from torch import nn

    from veilbench.attack_methods.inverter import fit_network
    from veilbench.nets.convolutional import Convolutional

    def build() -> nn.Module:
        return nn.Sequential(Convolutional(rows[0].shape[1], CHANNELS).build(shape)[1], nn.Flatten())

    trained = fit_network(build, rows, max(1, decoders.steps // 4), accelerator, rng)
    return trained.inverse, curve_over_steps(trained.errors, _mean_error(rows[1], rows[3]))


def _mean_error(rows: np.ndarray, held_out: np.ndarray) -> float:
    """Return the mean squared error of the mean training row on held-out rows, shape (m, numbers)."""
    return float(((held_out - rows.mean(0)) ** 2).mean())
