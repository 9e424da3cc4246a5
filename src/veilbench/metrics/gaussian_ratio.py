"""The likelihood ratio of LiRA from shadow models' losses (Carlini et al. 2022)."""

from __future__ import annotations

import numpy as np

from veilbench.bench.limits import require_room

LEAST = 0.1  # smallest gap between a row's two means, in standard deviations


def online(target: np.ndarray, losses: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the log likelihood ratio of "trained on this row" against "not trained on it", shape (n,).

    The normal distributions share one variance for all rows, as in the paper for few shadows. For the same reason, few
    shadows, the rows' gaps between their two means are shrunk towards the mean gap by the share of noise in their
    variance (James and Stein 1961): a row's own gap counts to the extent that the gaps vary more than noise explains.
    No gap counts for less than `LEAST`: if training on a row changes nothing, its loss relative to its usual one
    remains.

    Args:
        target: log losses of the target model, shape (n,).
        losses: log losses of the shadows, shape (shadows, n).
        inside: which shadow was trained on which row, shape (shadows, n), bool; each row in some and not in all.

    Raises:
        ValueError: a row is in all shadows or in none, or a loss is not finite.
    """
    _need_finite(target, losses)
    if same := int((inside.all(0) | ~inside.any(0)).sum()):
        raise ValueError(f"{same} of {inside.shape[1]} rows are in all of the {len(inside)} shadows or in none")
    ins, outs = inside.sum(0), (~inside).sum(0)
    mean_in = np.where(inside, losses, 0).sum(0) / ins
    mean_out = np.where(inside, 0, losses).sum(0) / outs
    rest = losses - np.where(inside, mean_in, mean_out)
    variance = _variance(rest, 2)
    gap, noise = mean_out - mean_in, variance * (1 / ins + 1 / outs)
    real = max(0.0, 1 - float(noise.mean() / max(gap.var(), np.finfo(float).tiny)))
    gap = np.maximum(gap.mean() + real * (gap - gap.mean()), LEAST * variance**0.5)
    return np.asarray(gap * ((mean_in + mean_out) / 2 - target) / variance)


def offline(target: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Return how many deviations the target's loss is below those of shadows not trained on the row, shape (n,).

    Raises:
        ValueError: a loss is not finite.
    """
    _need_finite(target, losses)
    return np.asarray((losses.mean(0) - target) / np.sqrt(_variance(losses - losses.mean(0), 1)))


def halves(shadows: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw which shadow is trained on which row, shape (shadows, rows), bool: each row by exactly half of them.

    If the number of shadows is a multiple of 4, this holds for the first half of the shadows as well.
    """
    if shadows % 4 == 0:
        return np.concatenate([_exact_halves(shadows // 2, rows, rng) for _ in range(2)])
    return _exact_halves(shadows, rows, rng)


def _exact_halves(shadows: int, rows: int, rng: np.random.Generator) -> np.ndarray:
    require_room(f"shadows={shadows} of {rows} rows", shadows, rows, each=2)
    return np.asarray(rng.permuted(np.tile((np.arange(shadows) < shadows // 2)[:, None], rows), axis=0))


def random_subsets(subsets: int, rows: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw subsets of about `size` rows, shape (subsets, rows), bool: each row in equally many, and at least in one."""
    require_room(f"subsets={subsets} of {rows} rows", subsets, rows, each=2)
    each = min(max(round(subsets * size / rows), 1), subsets)
    return np.asarray(rng.permuted(np.tile((np.arange(subsets) < each)[:, None], rows), axis=0))


def _need_finite(target: np.ndarray, losses: np.ndarray) -> None:
    for name, values in (("the target", target), ("the shadows", losses)):
        if not np.isfinite(values).all():
            raise ValueError(f"{(~np.isfinite(values)).sum()} of {values.size} losses of {name} are not finite")


def _variance(rest: np.ndarray, means: int) -> float:
    freedom = rest.size - means * rest.shape[1]
    return max(float((rest**2).sum() / max(freedom, 1)), 1e-12)
