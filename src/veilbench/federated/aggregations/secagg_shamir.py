"""Shamir's secret sharing (1979) of short secrets over one prime field."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

PRIME = 2**521 - 1  # a Mersenne prime
WIDTH = 66  # bytes of a field element
LARGEST = 64  # most bytes of a secret: with the leading one below the prime


def create_shares(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """Split a secret such that `threshold` shares restore it, and fewer say nothing about it.

    Args:
        secret: the secret, at most 64 bytes.
        threshold: number of shares that restore the secret, from 1 to `count`.
        count: number of shares to create.

    Returns:
        The shares: the point x in two bytes, then the polynomial's value at x.

    Raises:
        ValueError: the secret is too long, or the threshold is out of range.
    """
    if len(secret) > LARGEST:
        raise ValueError(f"a secret of {len(secret)} bytes cannot be shared: at most {LARGEST}")
    if not 1 <= threshold <= count < 2**16:
        raise ValueError(f"threshold={threshold} of {count} shares must be between 1 and {count}, below 65536")
    known = int.from_bytes(b"\1" + secret, "big")  # the leading one keeps zeros at the front
    polynomial = [known, *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    points = range(1, count + 1)
    return [x.to_bytes(2, "big") + _evaluate(polynomial, x).to_bytes(WIDTH, "big") for x in points]


def combine_shares(shares: Sequence[bytes], size: int) -> bytes:
    """Restore a secret by Lagrange's interpolation at 0; all shares given are used.

    Args:
        shares: different shares of one secret, at least as many as the threshold.
        size: number of bytes of the secret.

    Raises:
        ValueError: shares are repeated, or too few to give a secret of this size.
    """
    points = {int.from_bytes(share[:2], "big"): int.from_bytes(share[2:], "big") for share in shares}
    if len(points) < len(shares):
        raise ValueError(f"{len(shares) - len(points)} of {len(shares)} shares are repeated")
    known = sum(value * _weigh(x, points) for x, value in points.items()) % PRIME
    if known >> 8 * size != 1:
        raise ValueError(f"{len(shares)} shares do not give a secret of {size} bytes")
    return known.to_bytes(size + 1, "big")[1:]


def _evaluate(polynomial: Sequence[int], x: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * x + coefficient) % PRIME
    return value


def _weigh(x: int, points: dict[int, int]) -> int:
    """Return the weight of the value at x in the polynomial's value at 0."""
    above, below = 1, 1
    for other in points:
        if other != x:
            above, below = above * other % PRIME, below * (other - x) % PRIME
    return above * pow(below, -1, PRIME)
