"""Losses of adversarial neural cryptography (Abadi and Andersen 2016, section 2.5)."""

from __future__ import annotations

from torch import Tensor


def wrong_share(answer: Tensor, bits: Tensor) -> Tensor:
    """Return the differentiable share of wrong bits: half the mean absolute difference.

    Args:
        answer: estimates of the bits, any shape, values in [-1, 1].
        bits: true bits, same shape, values -1 and 1.
    """
    return (answer - bits).abs().mean() / 2


def hiding(bob: Tensor, eve: Tensor) -> Tensor:
    """Return Alice's and Bob's loss: Bob's share of wrong bits, plus a penalty for Eve's distance from chance.

    The penalty is squared and zero at one half: an Eve who is always wrong would only have to flip her answers.

    Args:
        bob: Bob's share of wrong bits, a scalar as returned by `wrong_share`.
        eve: Eve's share of wrong bits.
    """
    return bob + ((0.5 - eve) / 0.5) ** 2
