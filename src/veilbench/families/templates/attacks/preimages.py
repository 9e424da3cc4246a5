"""Preimages: features whose template under a known key is close to a given one, by algebra, iteration or learning."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.attacks.lattice_preimages import decode_blocks
from veilbench.families.templates.attacks.nonlinear_preimages import find_likely_preimage
from veilbench.families.templates.attacks.prior import Prior
from veilbench.families.templates.attacks.template_features import features_under_key
from veilbench.families.templates.schemes.base import IndexScheme, TemplateScheme, normalise
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.families.templates.schemes.iom_urp import IomUrp
from veilbench.families.templates.schemes.lattice_fuzzy_extractor import LatticeFuzzyExtractor
from veilbench.families.templates.schemes.linear_scheme import LinearScheme

ROUNDS = 30  # iterations of a solver
DAMPING, NUDGE = 1e-3, 1e-3  # initial damping; step of the numerical Jacobian
LEARNING_RATE = 0.1
MISSED = 1e-4  # squared error, as a share of the template's squared length


def find_preimage(
    scheme: TemplateScheme, template: np.ndarray, key: np.uint64, prior: Prior, samples: np.ndarray
) -> tuple[np.ndarray, str]:
    """Compute features for a template, shape (d,), float32, and return the name of the method too.

    The method depends on the scheme:

    - linear, real-valued templates: least squares under the prior;
    - linear, binary templates: least squares, with each product set to its threshold plus or minus 1;
    - permutation hashing by pairs: `_solve_pairs`, because its templates do not change when all features change their
      sign, so a linear regression learns nothing;
    - fuzzy extraction by a lattice: `decode_blocks`;
    - other binary or index templates: the regression `features_under_key`;
    - other real-valued templates: Levenberg's iteration with a numerical Jacobian, starting from the regression. With
      gradients `find_likely_preimage` starts there too. Features have length 1, so of both, the features whose length
      is nearest to 1 count; features that miss the template by more than `MISSED` count only if both do.

    Args:
        scheme: scheme that made the template.
        template: template to invert, shape (...).
        key: user key of the template.
        prior: normal distribution fitted to auxiliary features.
        samples: features that the regression is fitted to, in random order, shape (m, d).
    """
    rng = np.random.default_rng(int(key))
    if not scheme.keyed and not scheme.binary and template.shape == prior.mean.shape:
        return np.asarray(template, np.float32), "copied"
    if isinstance(scheme, LinearScheme):
        matrix = scheme.matrix(len(prior.mean), rng).astype(np.float64)
        if not scheme.binary:
            features = prior.posterior_mean(matrix, template[None].astype(np.float64))[0]
            return features.astype(np.float32), "least squares"
        target = 2 * template.astype(np.float64) - 1 + float(getattr(scheme, "threshold", 0.0))
        return np.linalg.lstsq(matrix.T, target, rcond=None)[0].astype(np.float32), "least squares of signs"
    if isinstance(scheme, IomUrp) and scheme.order == 2:
        return _solve_pairs(scheme, template, key, prior), "winning pairs"
    if isinstance(scheme, LatticeFuzzyExtractor):
        return decode_blocks(scheme, template, key, prior, samples), "guessed lattice points"
    start = features_under_key(scheme, key, samples, template[None])[0]
    if scheme.binary or isinstance(scheme, IndexScheme):
        return start, "learned"
    nearest = refine_by_levenberg(scheme, template, key, start.astype(np.float64)).astype(np.float32)
    if not isinstance(scheme, DifferentiableScheme):
        return nearest, "iteration"
    found = [nearest, find_likely_preimage(scheme, template, key, prior, start)]
    return min(found, key=lambda features: _rank(scheme, template, key, features)), "iteration and likeliest features"


def _rank(scheme: TemplateScheme, template: np.ndarray, key: np.uint64, features: np.ndarray) -> tuple[bool, float]:
    """Return whether features miss a template, and how far their length is from 1, as a ratio."""
    made = scheme.protect(features[None], np.array([key]))[0].astype(np.float64)
    missed = float(((made - template) ** 2).sum()) > MISSED * float((template.astype(np.float64) ** 2).sum())
    return missed, abs(float(np.log(np.linalg.norm(features) + 1e-12)))


def _solve_pairs(scheme: IomUrp, template: np.ndarray, key: np.uint64, prior: Prior) -> np.ndarray:
    """Estimate features from the winning pairs of permutation hashing (`IomUrp` with order 2), up to a common sign.

    The start is the leading eigenvector of the matrix that counts how often each pair won, minus the count expected by
    chance. Then Adam maximises the likelihood of a softmax model, in which a pair wins with odds exp(product).
    """
    import torch

    width = len(prior.mean)
    indices = scheme.draw_indices(width, np.random.default_rng(int(key)))
    counts = np.zeros((width, width))
    np.add.at(counts, tuple(indices[np.arange(scheme.hashes), :, template].T), 1)
    np.add.at(counts, (indices[:, 0].ravel(), indices[:, 1].ravel()), -1 / scheme.window)
    spread = np.sqrt(np.diag(prior.covariance))
    start = np.linalg.eigh(spread[:, None] * (counts + counts.T) * spread)[1][:, -1]
    x = torch.from_numpy(start * np.sqrt(width)).requires_grad_()
    optimizer, won = torch.optim.Adam([x], LEARNING_RATE), torch.from_numpy(template.astype(np.int64))
    pair_indices, scale = torch.from_numpy(indices), torch.from_numpy(spread / np.sqrt((spread**2).mean()))
    for _ in range(ROUNDS):
        optimizer.zero_grad()
        likelihood = -torch.nn.functional.cross_entropy((scale * x)[pair_indices].prod(1), won)
        (-likelihood).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return np.asarray(normalise((scale * x).detach().numpy()[None])[0])


def refine_by_levenberg(scheme: TemplateScheme, template: np.ndarray, key: np.uint64, start: np.ndarray) -> np.ndarray:
    """Refine features by damped least squares (Levenberg 1944); a step is kept if it lowers the error."""
    width, target = len(start), template.reshape(-1).astype(np.float64)

    def protect(rows: np.ndarray) -> np.ndarray:
        templates = scheme.protect(rows.astype(np.float32), np.full(len(rows), key))
        return templates.reshape(len(rows), -1).astype(np.float64)

    best, damping = start, DAMPING
    current = protect(best[None])[0]
    for _ in range(ROUNDS):
        slopes = (protect(best + NUDGE * np.eye(width)) - protect(best - NUDGE * np.eye(width))) / (2 * NUDGE)
        gram = slopes @ slopes.T
        level = damping * float(np.trace(gram)) / width + 1e-300
        candidate = best + np.linalg.solve(gram + level * np.eye(width), slopes @ (target - current))
        proposed = protect(candidate[None])[0]
        if np.sum((proposed - target) ** 2) < np.sum((current - target) ** 2):
            best, current, damping = candidate, proposed, damping / 3
        else:
            damping *= 10
    return best
