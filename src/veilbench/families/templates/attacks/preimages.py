"""Preimages: features whose template under a known key is close to a given one, by algebra, iteration or learning."""

from __future__ import annotations

import numpy as np

from veilbench.families.templates.attacks.template_features import features_under_key
from veilbench.families.templates.schemes.base import IndexScheme, TemplateScheme, unit
from veilbench.families.templates.schemes.iom_urp import IomUrp
from veilbench.families.templates.schemes.linear_scheme import LinearScheme

ROUNDS, DAMPING, NUDGE, CLIMB = 30, 1e-3, 1e-3, 0.1
TRIES = {"iteration": ROUNDS + 1}  # features that a method evaluates under the key to keep the best; else 1
TINY = 1e-9  # share of the prior's variance that directions without any auxiliary features keep


class Prior:
    """Normal distribution fitted to auxiliary features.

    Args:
        features: auxiliary features, shape (n, d).
    """

    def __init__(self, features: np.ndarray) -> None:
        x = features.astype(np.float64)
        self.mean, covariance = x.mean(0), np.cov(x.T).reshape(x.shape[1], x.shape[1])
        floor = max(TINY, 1e-3 / len(x)) * float(np.trace(covariance)) / x.shape[1] + 1e-300
        self.covariance = covariance + floor * np.eye(x.shape[1])

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw features from the distribution, scaled to length 1, shape (n, d)."""
        root = np.linalg.cholesky(self.covariance)
        return unit(self.mean + rng.standard_normal((n, len(self.mean))) @ root.T)

    def posterior_mean(self, matrix: np.ndarray, products: np.ndarray) -> np.ndarray:
        """Return the most likely features with given products `features @ matrix`, shape (n, numbers) to (n, d).

        If the products determine the features, these are returned whatever the prior.
        """
        spread = self.covariance @ matrix
        gain = np.linalg.lstsq(matrix.T @ spread, spread.T, rcond=1e-10)[0]
        return np.asarray(self.mean + (products - self.mean @ matrix) @ gain)


def find_preimage(
    scheme: TemplateScheme, template: np.ndarray, key: np.uint64, prior: Prior, drawn: np.ndarray
) -> tuple[np.ndarray, str]:
    """Compute features for a template, shape (d,), float32, and name the method used.

    A linear scheme with real-valued output is solved by least squares under the prior. If its products are cut into
    bits, products at distance 1 from the threshold on the right side are prescribed, and solved for without a prior.
    Other real-valued schemes are solved by Levenberg's iteration with a numerical Jacobian, from a learned start.
    Permutation hashing by pairs does not change with the sign of all features, so nothing linear can be learned about
    it: `_solve_pairs` uses the winning pairs. Everything else is learned by `features_under_key`.

    Args:
        scheme: scheme that made the template.
        template: template to invert, shape (...).
        key: user key of the template.
        prior: normal distribution fitted to auxiliary features.
        drawn: features drawn from the prior to learn from, shape (m, d).
    """
    rng = np.random.default_rng(int(key))
    if not scheme.keyed and not scheme.binary and template.shape == prior.mean.shape:
        return np.asarray(template, np.float32), "copied"
    if isinstance(scheme, LinearScheme):
        matrix = scheme.matrix(len(prior.mean), rng).astype(np.float64)
        if not scheme.binary:
            features = prior.posterior_mean(matrix, template[None].astype(np.float64))[0]
            return features.astype(np.float32), "least squares"
        wanted = 2 * template.astype(np.float64) - 1 + float(getattr(scheme, "threshold", 0.0))
        return np.linalg.lstsq(matrix.T, wanted, rcond=None)[0].astype(np.float32), "least squares of signs"
    if isinstance(scheme, IomUrp) and scheme.order == 2:
        return _solve_pairs(scheme, template, key, prior), "winning pairs"
    start = features_under_key(scheme, key, drawn, template[None])[0]
    if scheme.binary or isinstance(scheme, IndexScheme):
        return start, "learned"
    return _refine(scheme, template, key, start.astype(np.float64)).astype(np.float32), "iteration"


def _solve_pairs(scheme: IomUrp, template: np.ndarray, key: np.uint64, prior: Prior) -> np.ndarray:
    """Estimate features whose products win where they won in the template, up to a common sign.

    The start is the leading eigenvector of a matrix that counts which pairs won, minus the count expected by chance.
    From there the likelihood of the winners is maximised, as if each had been drawn with odds exp(product).
    """
    import torch

    width = len(prior.mean)
    indices = scheme.places(width, np.random.default_rng(int(key)))
    counts = np.zeros((width, width))
    np.add.at(counts, tuple(indices[np.arange(scheme.hashes), :, template].T), 1)
    np.add.at(counts, (indices[:, 0].ravel(), indices[:, 1].ravel()), -1 / scheme.window)
    spread = np.sqrt(np.diag(prior.covariance))
    start = np.linalg.eigh(spread[:, None] * (counts + counts.T) * spread)[1][:, -1]
    x = torch.from_numpy(start * np.sqrt(width)).requires_grad_()
    optimizer, won = torch.optim.Adam([x], CLIMB), torch.from_numpy(template.astype(np.int64))
    chosen, scale = torch.from_numpy(indices), torch.from_numpy(spread / np.sqrt((spread**2).mean()))
    for _ in range(ROUNDS):
        optimizer.zero_grad()
        likelihood = -torch.nn.functional.cross_entropy((scale * x)[chosen].prod(1), won)
        (-likelihood).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return np.asarray(unit((scale * x).detach().numpy()[None])[0])


def _refine(scheme: TemplateScheme, template: np.ndarray, key: np.uint64, start: np.ndarray) -> np.ndarray:
    """Refine features by damped least squares (Levenberg 1944); a step is kept if it lowers the error."""
    width, wanted = len(start), template.reshape(-1).astype(np.float64)

    def protect(rows: np.ndarray) -> np.ndarray:
        templates = scheme.protect(rows.astype(np.float32), np.full(len(rows), key))
        return templates.reshape(len(rows), -1).astype(np.float64)

    best, damping = start, DAMPING
    here = protect(best[None])[0]
    for _ in range(ROUNDS):
        slopes = (protect(best + NUDGE * np.eye(width)) - protect(best - NUDGE * np.eye(width))) / (2 * NUDGE)
        square = slopes @ slopes.T
        level = damping * float(np.trace(square)) / width + 1e-300
        moved = best + np.linalg.solve(square + level * np.eye(width), slopes @ (wanted - here))
        there = protect(moved[None])[0]
        if np.sum((there - wanted) ** 2) < np.sum((here - wanted) ** 2):
            best, here, damping = moved, there, damping / 3
        else:
            damping *= 10
    return best
