"""Shamir's shares: enough of them restore a secret, and too few say nothing."""

from __future__ import annotations

from itertools import combinations

import pytest

from veilbench.federated.aggregations import secagg_shamir
from veilbench.federated.aggregations.secagg_shamir import combine_shares, create_shares


@pytest.mark.parametrize("secret", [bytes(32), b"\0" + b"\xff" * 47, b"\xff" * 64], ids=len)
def test_any_shares_of_the_threshold_or_more_restore_the_secret(secret: bytes) -> None:
    shares = create_shares(secret, 3, 5)
    assert all(combine_shares(some, len(secret)) == secret for n in (3, 4, 5) for some in combinations(shares, n))


def test_too_few_or_repeated_shares_are_an_error() -> None:
    shares = create_shares(b"secret", 3, 5)
    with pytest.raises(ValueError, match="2 shares do not give a secret of 6 bytes"):
        combine_shares(shares[:2], 6)
    with pytest.raises(ValueError, match="1 of 3 shares are repeated"):
        combine_shares([*shares[:2], shares[0]], 6)


def test_fewer_shares_than_the_threshold_fit_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a small field, all polynomials: each pair of two shares' values occurs once for every secret."""
    monkeypatch.setattr(secagg_shamir, "PRIME", 7)
    evaluate = secagg_shamir._evaluate
    for known in range(7):
        pairs = {(evaluate([known, a, b], 1), evaluate([known, a, b], 3)) for a in range(7) for b in range(7)}
        assert len(pairs) == 49


@pytest.mark.parametrize(("size", "threshold", "count"), [(65, 2, 3), (32, 4, 3), (32, 0, 3)])
def test_impossible_settings_are_refused(size: int, threshold: int, count: int) -> None:
    with pytest.raises(ValueError, match=r"cannot be shared|must be between 1 and 3"):
        create_shares(bytes(size), threshold, count)
