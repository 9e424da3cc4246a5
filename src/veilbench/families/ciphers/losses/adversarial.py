"""Losses of adversarial neural cryptography (Abadi and Andersen 2016, section 2.5)."""

from __future__ import annotations

from torch import Tensor


def wrong_share(answer: Tensor, bits: Tensor) -> Tensor:
    """The share of bits that an answer gets wrong, relaxed: half the mean distance.

    Args:
        answer: any shape, values in [-1, 1].
        bits: the same shape, values -1 and 1.
    """
    return (answer - bits).abs().mean() / 2


def hiding(bob: Tensor, eve: Tensor) -> Tensor:
    """Alice's and Bob's loss: Bob's wrong share, and how far Eve's is from a half.

    Squared, and zero at a half: an Eve who is always wrong would only have to flip her answers.
    """
    return bob + ((0.5 - eve) / 0.5) ** 2
