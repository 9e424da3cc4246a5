"""Privacy audit of Gaussian mechanisms: lower bounds on epsilon from one run, if the trade-off is that of Gaussians.

An attacker who must tell two Gaussians of equal width, `separation` standard deviations apart, is the hardest case of
every mechanism that is mu-Gaussian differentially private with mu = separation (Dong et al. 2022). Gaussian noise
without sampling has exactly this trade-off, and many sampled steps come near to it. With this trade-off as the
hypothesis, the same guesses prove more than without one: compare `audit.epsilon_in_one_run`.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from veilbench.bench.findings import Metric

WIDEST = 40.0  # separation that no guesses prove: normal tails underflow beyond
FARTHEST = 100.0  # larger separations count as this one, an epsilon of about 5,400: there is no privacy to measure


def gaussian_delta(epsilon: float, separation: float) -> float:
    """Return the smallest delta of (epsilon, delta)-differential privacy of a Gaussian mechanism.

    Source: Balle and Wang 2018.

    Args:
        epsilon: epsilon of the guarantee, at least 0.
        separation: distance of the two means in standard deviations: sqrt(releases) / noise multiplier.
    """
    half = separation / 2
    return float(ndtr(half - epsilon / separation) - np.exp(epsilon + log_ndtr(-half - epsilon / separation)))


def gaussian_mechanism_epsilon(separation: float, delta: float) -> float:
    """Return the smallest epsilon of a Gaussian mechanism at delta (Balle and Wang 2018), at least 0.

    Args:
        separation: distance of the two means in standard deviations, at least 0.
        delta: delta of (epsilon, delta)-differential privacy, in (0, 1).
    """
    if separation <= 0 or gaussian_delta(0.0, separation) <= delta:
        return 0.0
    least = min(separation, FARTHEST)
    most = least**2 / 2 + least * float(1 - ndtri(delta))  # there, the first term alone is below delta
    return float(brentq(lambda epsilon: gaussian_delta(epsilon, least) - delta, 0.0, most, xtol=1e-9))


def epsilon_of_guesses(right: int, guesses: int, canaries: int, delta: float, confidence: float = 0.95) -> Metric:
    """Return a lower confidence bound of epsilon from guesses about canaries in one training; 0 if none is shown.

    Each canary is included by an independent coin flip. The bound is the largest separation of Gaussians under which so
    many right guesses are too unlikely (Mahloujifar et al. 2025), as an epsilon at delta. It
    needs no independence of the scores, but the number of guesses must be fixed in advance.

    Args:
        right: number of right guesses, at most `guesses`.
        guesses: number of guesses; the attacker abstains from the other canaries.
        canaries: number of canaries, guessed or not.
        delta: delta of (epsilon, delta)-differential privacy, in (0, 1).
        confidence: confidence level of the bound, in (0, 1).

    Raises:
        ValueError: there are more right guesses than guesses, or more guesses than canaries.
    """
    if not 0 <= right <= guesses <= canaries or not guesses:
        numbers = f"right={right}, guesses={guesses} and canaries={canaries}"
        raise ValueError(f"{numbers} must increase, with a guess at least")
    low, high = 0.0, WIDEST
    for _ in range(40):
        middle = (low + high) / 2
        rejected = _is_too_unlikely(right, guesses, canaries, middle, 1 - confidence)
        low, high = (middle, high) if rejected else (low, middle)
    bound = gaussian_mechanism_epsilon(low, delta)
    label = f"lower end, {100 * confidence:g} %, {guesses} guesses in one run, Gaussian trade-off"
    return Metric(bound, bound, bound, guesses, label)


def _is_too_unlikely(right: int, guesses: int, canaries: int, separation: float, level: float) -> bool:
    """Return whether at least `right` right guesses have a probability of at most `level` at a separation.

    `wrong` and `hits` are the paper's h and r: bounds of the probabilities, weighted by the shares of wrong and of
    right guesses, that at least i guesses are right. From i + 1 to i they grow as slowly as the trade-off allows. If at
    i = 0 they exceed the share of guesses, the mechanism does not allow the assumed probability.
    """
    share = guesses / canaries
    hits, wrong = level * share * right / guesses, level * share * (guesses - right) / guesses
    for i in range(right - 1, -1, -1):
        before, wrong = wrong, max(wrong, float(ndtr(ndtri(hits) - separation)))
        hits += i / (guesses - i) * (wrong - before)
        if hits >= 1:
            return True
    return hits + wrong > share


def epsilon_of_scores(inside: np.ndarray, outside: np.ndarray, delta: float, quantile: float = 1.645) -> Metric:
    """Estimate epsilon from the scores of canaries in one run, by fitting Gaussians (Andrew et al. 2024).

    The separation is the distance of the means in standard deviations of the scores outside, which hold the noise alone
    (Glass 1976): the presence of a canary may be of varying strength. The interval follows from the asymptotic
    variance. It holds if the scores are independent, and normal outside: an estimate, not a proof.

    Args:
        inside: scores of canaries that took part, shape (n,).
        outside: scores of canaries that did not, shape (m,).
        delta: delta of (epsilon, delta)-differential privacy, in (0, 1).
        quantile: normal quantile of each end of the interval; 1.645 is 95 % for each end.

    Raises:
        ValueError: there are fewer than two scores of a kind, or one is not finite.
    """
    for name, scores in (("inside", inside), ("outside", outside)):
        if len(scores) < 2 or not np.isfinite(scores).all():
            finite = f"{np.isfinite(scores).sum()} of them finite"
            raise ValueError(f"{len(scores)} scores {name}, {finite}: at least 2, all")
    distance = float(inside.mean() - outside.mean())
    width = max(float(outside.std(ddof=1)), abs(distance) / FARTHEST, 1e-300)
    separation, ratio = distance / width, (float(inside.std(ddof=1)) / width) ** 2
    error = quantile * np.sqrt(ratio / len(inside) + 1 / len(outside) + separation**2 / (2 * (len(outside) - 1)))
    ends = [gaussian_mechanism_epsilon(separation + shift, delta) for shift in (-error, 0.0, error)]
    return Metric(ends[1], ends[0], ends[2], len(inside) + len(outside), "normal fit, each end 95 %")
