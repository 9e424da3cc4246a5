"""What is opened is the weighted mean; what the aggregator holds and receives is neither a key nor an update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Aggregation, Client, parse_message, serialize_message
from veilbench.federated.aggregations.ckks import (
    LARGEST,
    NOISE,
    Ciphertexts,
    Ckks,
    CkksAggregator,
    CkksClient,
    compute_grid_step,
    join_ciphertexts,
    split_ciphertexts,
)
from veilbench.federated.aggregations.paillier import Paillier, PaillierAggregator, PaillierClient, pack, unpack
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.flat import flatten, unflatten

SEEDS = np.random.SeedSequence(0)
EXACT: dict[str, tuple[Aggregation, int]] = {
    "plain": (Plain(), 5_000),
    "plain 64": (Plain(64), 5_000),
    "ckks": (Ckks(), 5_000),
    "paillier packed": (Paillier(slots=31), 70),
}
pytest.importorskip("tenseal")


def has_phe() -> bool:
    try:
        import phe  # noqa: F401
    except ImportError:
        return False
    return True


if has_phe():
    EXACT |= {"paillier": (Paillier(), 6), "paillier float": (Paillier(encoding="float"), 6)}
else:
    del EXACT["paillier packed"]
needs_phe = pytest.mark.skipif(not has_phe(), reason="the package phe is not installed")


def updates(clients: int, size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = rng.normal(0, 1, (clients, size)) * 10.0 ** rng.integers(-4, 1, size)
    made[:, ::3] = 0
    return made


def sent(clients: list[Client], values: np.ndarray, weights: list[float]) -> list[bytes]:
    return [client.protect(u, w) for client, u, w in zip(clients, values, weights, strict=True)]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("weights", [[1.0], [0.25, 0.75], [0.0301, 0.0301, 0.9398], [100.0, 100.0, 3_318.0]])
def test_every_client_opens_the_weighted_mean(name: str, weights: list[float]) -> None:
    aggregation, size = EXACT[name]
    values = updates(len(weights), size)
    clients, aggregator = aggregation.setup(len(weights), SEEDS)
    combined = aggregator.combine(sent(clients, values, weights))
    assert aggregation.error is not None
    bound = aggregation.error * np.abs(values).max()
    for client in clients:
        assert np.abs(client.open(combined) - np.average(values, axis=0, weights=weights)).max() < bound


@pytest.mark.parametrize("name", EXACT)
def test_a_client_that_stays_away_is_left_out_of_the_mean(name: str) -> None:
    aggregation, size = EXACT[name]
    values, weights = updates(3, size), [0.2, 0.3, 0.5]
    clients, aggregator = aggregation.setup(3, SEEDS)
    mean = clients[2].open(aggregator.combine(sent(clients, values, weights)[:2]))
    assert np.abs(mean - np.average(values[:2], axis=0, weights=weights[:2])).max() < 1e-5


def test_ckks_on_three_clients_of_the_sources_size() -> None:
    values, weights = (
        np.random.default_rng(0).normal(0, 1, (3, 50_636)),
        [1_000 / 44_000, 1_000 / 44_000, 42_000 / 44_000],
    )
    clients, aggregator = Ckks().setup(3, SEEDS)
    messages = sent(clients, values, weights)
    mean = clients[1].open(aggregator.combine(messages))
    assert np.abs(mean - np.average(values, axis=0, weights=weights)).max() < 1e-6
    assert all(1.6e6 < len(m) < 1.8e6 for m in messages)


@pytest.mark.parametrize("clients", [1, 3, 30])
def test_the_decrypted_mean_is_that_of_the_rounded_updates_to_the_last_digit_under_every_key(clients: int) -> None:
    values, weights, step = updates(clients, 9_000), [1 / clients] * clients, compute_grid_step(clients)
    rounded = np.rint(values / clients / step).sum(0) * step / sum(weights)
    for _ in range(3):
        own, aggregator = Ckks().setup(clients, SEEDS)
        mean = own[-1].open(aggregator.combine(sent(own, values, weights)))
        np.testing.assert_array_equal(mean, rounded)
        assert np.abs(mean - values.mean(0)).max() <= Ckks().noise(weights)[1] * (1 + 1e-6)


def test_the_grid_is_as_far_as_the_noise_of_ckks_asks_for() -> None:
    """What is decrypted before the rounding has noise, of the size that the grid is made for."""
    clients, aggregator = Ckks().setup(4, SEEDS)
    client = clients[0]
    assert isinstance(client, CkksClient)
    exact = np.rint(updates(4, 8_192) / compute_grid_step(4)) * compute_grid_step(4)
    payload = parse_message(aggregator.combine(sent(clients, exact, [1.0] * 4)))[2]
    raw = np.concatenate([vector.decrypt() for vector in client.ciphertexts.deserialize(payload, 8_192)])
    largest = float(np.abs(raw - exact.sum(0)).max())
    assert NOISE * 2 / 10 < largest < NOISE * 2 * 2
    assert compute_grid_step(4) >= 8 * NOISE * 2 > compute_grid_step(4) / 2


def reached(thing: Any, depth: int = 6) -> Iterator[Any]:
    """Everything that an object holds, its parts' parts too."""
    yield thing
    if depth and hasattr(thing, "__dict__"):
        for value in vars(thing).values():
            yield from reached(value, depth - 1)
    elif depth and isinstance(thing, list | tuple):
        for value in thing:
            yield from reached(value, depth - 1)


def numbers_in(content: bytes) -> set[float]:
    """All float32 and float64 numbers that the bytes hold, wherever they begin."""
    return {
        float(x)
        for dtype, width in ((np.float32, 4), (np.float64, 8))
        for start in range(width)
        for x in np.frombuffer(content[start : start + (len(content) - start) // width * width], dtype)
    }


@pytest.mark.parametrize(("name", "hidden"), [("plain", False), ("ckks", True), ("paillier packed", True)])
def test_what_the_aggregator_receives_and_sends_holds_an_update_only_without_protection(
    name: str, hidden: bool
) -> None:
    if name not in EXACT:
        pytest.skip("the package phe is not installed")
    aggregation, _ = EXACT[name]
    values = updates(2, 40)
    clients, aggregator = aggregation.setup(2, SEEDS)
    messages = sent(clients, values, [1.0, 1.0])
    for update, received in zip(values, messages, strict=True):
        looked_for = {float(x) for x in np.float32(update[update != 0])} | {float(x) for x in update[update != 0]}
        assert bool(looked_for & numbers_in(received)) != hidden
    total = {float(x) for x in values.sum(0) if x}
    if hidden:
        assert not total & numbers_in(aggregator.combine(messages))


def test_the_ckks_aggregator_holds_a_public_context_and_cannot_open_what_it_combines() -> None:
    clients, aggregator = Ckks().setup(2, SEEDS)
    assert isinstance(aggregator, CkksAggregator)
    assert isinstance(clients[0], CkksClient)
    combined = aggregator.combine(sent(clients, updates(2, 10), [1.0, 1.0]))
    held = [part for part in reached(aggregator) if isinstance(part, Ciphertexts)]
    assert len(held) == 1
    assert not held[0].context.has_secret_key()
    assert held[0].context.is_public()
    assert clients[0].ciphertexts.context.has_secret_key()  # so that the check can fail
    with pytest.raises(ValueError, match="secret_key"):
        CkksClient(held[0], 2).open(combined)


def test_two_encryptions_of_the_same_update_differ() -> None:
    for aggregation in [EXACT[name][0] for name in ("ckks", "paillier packed") if name in EXACT]:
        (client,), _ = aggregation.setup(1, SEEDS)
        assert client.protect(np.ones(9), 1.0) != client.protect(np.ones(9), 1.0)


def test_another_federations_key_does_not_open_the_sum() -> None:
    clients, aggregator = Ckks().setup(1, SEEDS)
    (stranger,), _ = Ckks().setup(1, SEEDS)
    update = updates(1, 50)
    combined = aggregator.combine(sent(clients, update, [1.0]))
    assert np.abs(stranger.open(combined) - update[0]).max() > 1


@needs_phe
def test_the_paillier_aggregator_holds_the_modulus_and_no_primes() -> None:
    clients, aggregator = Paillier(slots=31).setup(2, SEEDS)
    assert isinstance(aggregator, PaillierAggregator)
    assert isinstance(clients[0], PaillierClient)
    assert clients[0].keys.primes is not None
    assert clients[0].keys.modulus.bit_length() == 2048
    assert not set(clients[0].keys.primes) & {part for part in reached(aggregator) if isinstance(part, int)}
    combined = aggregator.combine(sent(clients, updates(2, 5), [1.0, 1.0]))
    with pytest.raises(UserError, match="holds no private key"):
        PaillierClient(aggregator.keys, 2).open(combined)


@needs_phe
def test_values_whose_sum_would_run_over_a_slot_are_refused_and_those_below_are_not() -> None:
    """A slot of 64 bits holds sums below 2 ** 23: what one client may send depends on how many add to it."""
    clients, aggregator = Paillier(slots=31).setup(4, SEEDS)
    just = np.tile([1.0, -1.0], 31) * 2.0**20
    mean = clients[0].open(aggregator.combine(sent(clients, np.tile(just, (4, 1)), [1.0] * 4)))
    np.testing.assert_array_equal(mean, just)
    with pytest.raises(UserError, match=r"a weighted value of .* is too large: at most 1.04858e\+06"):
        clients[0].protect(just * 1.01, 1.0)


@needs_phe
def test_fixed_point_ciphertexts_are_phes_own() -> None:
    from phe import paillier

    (client,), _ = Paillier().setup(1, SEEDS)
    assert isinstance(client, PaillierClient)
    sealed, _ = client.keys.parse(parse_message(client.protect(np.array([-1.25]), 1.0))[2], 1)
    number = paillier.EncryptedNumber(client.keys.public, sealed[0], 0)
    assert client.keys.private.decrypt(number) == -1.25 * 2**40


@needs_phe
def test_fixed_exponents_are_all_the_same_and_those_of_floats_are_not() -> None:
    exponents = {}
    for encoding in ("fixed", "float"):
        (client,), _ = Paillier(encoding=encoding).setup(1, SEEDS)  # type: ignore[arg-type]
        assert isinstance(client, PaillierClient)
        payload = parse_message(client.protect(np.array([0.0, 1e-3, -1e-5, 0.0]), 1.0))[2]
        exponents[encoding] = client.keys.parse(payload, 4)[1].tolist()
    assert len(set(exponents["fixed"])) == 1
    assert exponents["float"][0] == exponents["float"][3] not in exponents["float"][1:3]


def test_packing_is_undone_also_for_sums() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.integers(-(2**61), 2**61, (2, 100))
    summed = [a + b for a, b in zip(pack(one, 31), pack(two, 31), strict=True)]
    np.testing.assert_allclose(unpack(summed, 31)[:100], (one + two).astype(float), rtol=0)
    assert all(abs(number) < 2**2046 for number in pack(np.full(31, -(2**61)), 31))


def test_ciphertexts_are_framed_by_their_lengths() -> None:
    class Piece(bytes):
        def serialize(self) -> bytes:
            return self

    pieces = [Piece(b"abc"), Piece(b""), Piece(b"x" * 300)]
    assert split_ciphertexts(join_ciphertexts(pieces)) == pieces
    assert split_ciphertexts(join_ciphertexts(pieces)[:-1]) == []


@pytest.mark.parametrize("name", EXACT)
def test_messages_that_are_none_are_refused(name: str) -> None:
    aggregation, _ = EXACT[name]
    clients, aggregator = aggregation.setup(2, SEEDS)
    good = clients[0].protect(np.ones(4), 1.0)
    for bad in (b"", b"x" * 100, good[:-1], serialize_message(1.0, 4, b""), serialize_message(1.0, 4, good[20:30])):
        with pytest.raises(UserError):
            aggregator.combine([good, bad])
    with pytest.raises(UserError, match="different sizes: 4, 5000"):
        aggregator.combine([good, serialize_message(1.0, 5_000, b"")])
    with pytest.raises(UserError, match="no client has sent an update"):
        aggregator.combine([])


@pytest.mark.parametrize(
    ("update", "weight", "said"),
    [
        (np.array([1.0, np.nan]), 1.0, "1 of the update's 2 values are not finite"),
        (np.array([np.inf]), 1.0, "not finite"),
        (np.ones((2, 2)), 1.0, r"shape \(2, 2\)"),
        (np.ones(2), 0.0, "weight=0.0"),
        (np.ones(2), float("nan"), "weight=nan"),
    ],
)
def test_updates_that_cannot_be_sent_are_refused(update: np.ndarray, weight: float, said: str) -> None:
    (client,), _ = Plain().setup(1, SEEDS)
    with pytest.raises(UserError, match=said):
        client.protect(update, weight)


def test_values_that_would_run_over_are_refused_and_those_below_are_not() -> None:
    clients, aggregator = Ckks().setup(2, SEEDS)
    just = np.full(3, LARGEST / 2 * 0.99)
    assert clients[0].open(aggregator.combine(sent(clients, np.array([just, just]), [1.0, 1.0]))) == pytest.approx(just)
    with pytest.raises(UserError, match="too large for CKKS with 2 clients"):
        clients[0].protect(just * 1.02, 1.0)


def test_a_plain_message_with_nan_is_refused_by_the_aggregator() -> None:
    _, aggregator = Plain().setup(1, SEEDS)
    with pytest.raises(UserError, match="not finite"):
        aggregator.combine([serialize_message(1.0, 2, np.array([1, np.nan], np.float32).tobytes())])


@pytest.mark.parametrize("settings", [{"key_bits": 1024}, {"slots": 32}, {"slots": 2, "encoding": "float"}])
def test_keys_that_are_too_short_and_slots_that_do_not_fit_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at"):
        Paillier(**settings)


def test_flat_and_shaped_are_inverse() -> None:
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7.0]), np.float32(8).reshape(())]
    back = unflatten(flatten(arrays), arrays)
    assert all((a == b).all() and a.shape == b.shape and a.dtype == b.dtype for a, b in zip(arrays, back, strict=True))
    with pytest.raises(ValueError, match="a vector of 7 numbers does not fill arrays of 8"):
        unflatten(np.zeros(7), arrays)
