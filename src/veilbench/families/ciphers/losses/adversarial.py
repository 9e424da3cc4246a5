"""Losses of adversarial neural cryptography (Abadi and Andersen 2016, section 2.5)."""

from __future__ import annotations

from torch import Tensor


def bit_error_rate(answer: Tensor, bits: Tensor) -> Tensor:
    """Compute the differentiable share of wrong bits: half the mean absolute difference.

    Args:
        answer: estimates of the bits, any shape, values in [-1, 1].
        bits: true bits, same shape, values -1 and 1.
    """
    return (answer - bits).abs().mean() / 2


def alice_bob_loss(bob: Tensor, eve: Tensor) -> Tensor:
    """Compute the loss of Alice and Bob: Bob's share of wrong bits, plus a penalty for Eve's distance from chance.

    The penalty is zero at one half, not at one: an Eve who is always wrong could simply invert her answers.

    Args:
        bob: Bob's share of wrong bits, a scalar as returned by `bit_error_rate`.
        eve: Eve's share of wrong bits, a scalar as returned by `bit_error_rate`.
    """
    return bob + ((0.5 - eve) / 0.5) ** 2
