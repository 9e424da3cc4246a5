"""Preimages of real-valued templates that are not linear in the features, such as polynomials, under a known key."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from veilbench.families.templates.attacks.prior import Prior
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.families.templates.schemes.linear_scheme import LinearScheme

if TYPE_CHECKING:
    from torch import Tensor

ROUNDS = 30  # linearisations
LONGEST_STEP = 0.5  # of a round; features have length 1
HALVINGS = 8  # of a step, until the error falls
TOLERATED = 1e-3  # share of the first error below which a step need not lower it: it may only be likelier
STILL = 1e-8  # length of a step from which on the rounds end
STEPS = 200  # of the quasi-Newton method


def is_nonlinear(scheme: TemplateScheme) -> TypeGuard[DifferentiableScheme]:
    """Return whether a scheme's templates are real-valued, keyed and differentiable, but not linear in the features."""
    smooth = isinstance(scheme, DifferentiableScheme) and not isinstance(scheme, LinearScheme)
    return smooth and scheme.keyed and not scheme.binary


def find_likely_preimage(
    scheme: DifferentiableScheme, template: np.ndarray, key: np.uint64, prior: Prior, start: np.ndarray
) -> np.ndarray:
    """Return the likeliest features, under a prior, whose template is the given one; shape (d,), float32.

    Each round linearises the scheme at the current features, and moves to the posterior mean under the linear
    equations. This is the iterated extended Kalman filter without noise (Bell and Cathey 1993), a Gauss-Newton method.
    If there are fewer equations than features, the prior fills in the rest. A step that raises the error is halved. Of
    all rounds, the features with the smallest error count.

    Args:
        scheme: scheme that made the template.
        template: template to invert, shape (numbers,).
        key: user key of the template.
        prior: normal distribution fitted to auxiliary features.
        start: features to start from, shape (d,).
    """
    import torch

    def protect(features: Tensor) -> Tensor:
        return scheme.protect_tensor(features[None], np.array([key]))[0]

    def measure_error(features: np.ndarray) -> float:
        return float(((protect(torch.from_numpy(features)).numpy() - target) ** 2).sum())

    slopes = torch.func.jacrev(protect)
    target, current = template.astype(np.float64), start.astype(np.float64)
    best, lowest = current, (error := measure_error(current))
    tolerated = TOLERATED * error
    for _ in range(ROUNDS):
        at = torch.from_numpy(current)
        missing, matrix = target - protect(at).numpy(), slopes(at).numpy().T
        step = prior.posterior_mean(matrix, missing + current @ matrix) - current
        if (length := float(np.linalg.norm(step))) < STILL:
            break
        step *= min(1.0, LONGEST_STEP / length)
        for _ in range(HALVINGS):
            if (moved := measure_error(current + step)) < max(error, tolerated):
                break
            step /= 2
        current, error = current + step, moved
        if error < lowest:
            best, lowest = current, error
    return np.asarray(best, np.float32)


def find_cosine_preimage(
    scheme: DifferentiableScheme, template: np.ndarray, key: np.uint64, starts: np.ndarray
) -> np.ndarray:
    """Return features whose template has the largest cosine with the given one, the best from all starts; shape (d,).

    The published inversion of PolyProtect (Hahn, Maceiras and Marcel 2026, "A deeper dive into the irreversibility of
    PolyProtect", arXiv 2605.03857): L-BFGS-B on the cosine distance from several guesses. They draw the guesses from
    the distribution of other people's features; here they are other people's features themselves.

    Args:
        scheme: scheme that made the template.
        template: template to invert, shape (numbers,).
        key: user key of the template.
        starts: features to start from, shape (k, d).
    """
    import torch
    from scipy.optimize import minimize

    target = torch.from_numpy(template.astype(np.float64))[None]

    def distance(features: np.ndarray) -> tuple[float, np.ndarray]:
        row = torch.from_numpy(features)[None].requires_grad_()
        value = 1 - scheme.similarity_tensor(scheme.protect_tensor(row, np.array([key])), target).sum()
        (slope,) = torch.autograd.grad(value, row)
        return float(value.detach()), slope[0].numpy()

    options = {"maxiter": STEPS, "ftol": 1e-12, "gtol": 1e-9}
    ends = [
        minimize(distance, start.astype(np.float64), jac=True, method="L-BFGS-B", options=options) for start in starts
    ]
    return np.asarray(min(ends, key=lambda end: float(end.fun)).x, np.float32)
