"""Masks that cancel: the sum is the plain one, and what the aggregator sees of a single update is noise."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Client, parse_message
from veilbench.federated.aggregations.secagg import Secagg
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator, find_neighbourhoods
from veilbench.federated.aggregations.secagg_client import SecaggClient
from veilbench.federated.aggregations.secagg_masks import SEED_BYTES, Ring, agree_seed
from veilbench.federated.aggregations.secagg_shamir import combine_shares

pytest.importorskip("flwr")

SEEDS = np.random.SeedSequence(0)
WEIGHTS = [0.0301, 0.0301, 0.9398]
UNLIKELY = 1e-9  # keys are new in each run: a p-value of 1 in 10,000 would come up now and then


def parties(clients: int, **settings: Any) -> tuple[list[Client], SecaggAggregator]:
    made, aggregator = Secagg(**settings).setup(clients, SEEDS)
    assert isinstance(aggregator, SecaggAggregator)
    aggregator.begin(range(clients))
    return made, aggregator


def updates(clients: int, size: int = 500) -> np.ndarray:
    rng = np.random.default_rng(0)
    made = rng.normal(0, 1, (clients, size)) * 10.0 ** rng.integers(-4, 1, size)
    made[:, ::3] = 0
    return made


def sent(clients: list[Client], values: np.ndarray, weights: list[float]) -> list[bytes]:
    return [client.protect(u, w) for client, u, w in zip(clients, values, weights, strict=True)]


@pytest.mark.parametrize("weights", [WEIGHTS, [1 / 3] * 3, [0.1] * 10, [0.6, 0.4]], ids=len)
@pytest.mark.parametrize("settings", [{}, {"bits": 64}, {"largest": 100.0}], ids=str)
def test_every_client_opens_the_weighted_mean(weights: list[float], settings: dict[str, Any]) -> None:
    values = updates(len(weights))
    clients, aggregator = parties(len(weights), **settings)
    mean = clients[-1].open(aggregator.combine(sent(clients, values, weights)))
    bound = Secagg(**settings).noise(weights)[1]
    wrong = np.abs(mean - np.average(values, axis=0, weights=weights)).max()
    assert wrong <= bound * (1 + 1e-6) + 1e-15
    assert wrong > bound / 100 or settings.get("bits") == 64  # the bound is of the right size
    assert Secagg().noise(weights)[1] < 2e-7


def test_the_mean_repeats_to_the_last_digit_though_the_keys_do_not() -> None:
    values, means, masked = updates(3), [], []
    for _ in range(2):
        clients, aggregator = parties(3)
        messages = sent(clients, values, WEIGHTS)
        masked.append(messages[0])
        means.append(clients[0].open(aggregator.combine(messages)))
    assert (means[0] == means[1]).all()
    assert masked[0] != masked[1]


@pytest.mark.parametrize("neighbours", [None, 4])
@pytest.mark.parametrize("away", [{3}, {0, 6}])
def test_clients_that_drop_out_after_sharing_their_keys_are_recovered(neighbours: int | None, away: set[int]) -> None:
    values, weights = updates(7), [0.1, 0.2, 0.1, 0.3, 0.1, 0.1, 0.1]
    clients, aggregator = parties(7, neighbours=neighbours)
    there = [who for who in range(7) if who not in away]
    messages = [clients[who].protect(values[who], weights[who]) for who in there]
    mean = clients[there[0]].open(aggregator.combine(messages, there))
    wanted = np.average(values[there], axis=0, weights=[weights[who] for who in there])
    assert np.abs(mean - wanted).max() < 1e-6


def test_a_client_that_never_sends_keys_is_left_out_and_may_come_back_in_the_next_round() -> None:
    values = updates(4)
    clients, aggregator = parties(4)
    aggregator.post.gone = {2}
    aggregator.begin(range(4))
    there = [0, 1, 3]
    mean = clients[0].open(aggregator.combine([clients[who].protect(values[who], 0.25) for who in there], there))
    assert np.abs(mean - values[there].mean(0)).max() < 1e-6
    with pytest.raises(UserError, match="takes no part in this round"):
        SecaggClient(2, aggregator.ring).protect(values[2], 0.25)
    aggregator.post.gone = set()
    aggregator.begin(range(4))
    mean = clients[0].open(aggregator.combine(sent(clients, values, [0.25] * 4)))
    assert np.abs(mean - values.mean(0)).max() < 1e-6


def test_too_few_clients_are_an_error_that_names_the_numbers() -> None:
    clients, aggregator = parties(5)
    messages = sent(clients, updates(5), [0.2] * 5)
    with pytest.raises(UserError, match="needs a masked update from 3 of the 5 clients around client 0, and has 2"):
        aggregator.combine(messages[:2])
    aggregator.post.gone = {0, 1, 2}
    with pytest.raises(UserError, match=r"needs keys from 3 of the 5 clients .* has 2 \(client \d has gone"):
        aggregator.begin(range(5))
    with pytest.raises(UserError, match="needs keys from 2 of the 1 clients"):
        parties(1)


def test_clients_that_go_before_unmasking_are_an_error_and_no_mean() -> None:
    clients, aggregator = parties(5, consistency=False)
    messages = sent(clients, updates(5), [0.2] * 5)
    aggregator.post.gone = {1, 2, 3}
    with pytest.raises(UserError, match="has 2 shares of a secret of client 0, and 3 of 5 are needed"):
        aggregator.combine(messages)


def test_clients_that_go_before_they_sign_the_survivors_are_an_error_and_no_mean() -> None:
    clients, aggregator = parties(5)
    messages = sent(clients, updates(5), [0.2] * 5)
    aggregator.post.gone = {1, 2, 3}
    with pytest.raises(UserError, match="needs a signature on the survivors from 3 of the 5 clients"):
        aggregator.combine(messages)


def uniform(values: np.ndarray) -> float:
    """p of the 32-bit numbers' highest and lowest bytes being uniform: the smaller one, twice."""
    counts = (np.bincount(values >> shift & 255, minlength=256) for shift in (0, 24))
    return 2 * min(float(chisquare(count).pvalue) for count in counts)


def test_what_the_aggregator_is_sent_looks_uniform_and_an_update_does_not() -> None:
    """Also when it has rebuilt the private masks, as it does of everybody."""
    size, values = 50_000, updates(3, 50_000)
    clients, aggregator = parties(3)
    messages = sent(clients, values, WEIGHTS)
    plain = [aggregator.ring.quantise(w * u).astype(np.int64) for w, u in zip(WEIGHTS, values, strict=True)]
    masked = [np.frombuffer(parse_message(m)[2], "<u4").astype(np.int64) for m in messages]
    aggregator.combine(messages)
    left = [(m - aggregator.ring.expand_mask(aggregator.seeds[who], size)) % 2**32 for who, m in enumerate(masked)]
    assert min(uniform(m) for m in (*masked, *left)) > UNLIKELY
    assert max(uniform(m) for m in plain) < 1e-12
    for other in (*masked, *left):
        assert abs(np.corrcoef(other, plain[2].astype("<u4").view("<i4"))[0, 1]) < 5 / np.sqrt(size)


def test_no_message_holds_an_update_or_an_open_secret() -> None:
    values = updates(3)
    clients, aggregator = parties(3)
    own = [client for client in clients if isinstance(client, SecaggClient)]
    secrets = [(client.seed, client.private["mask"], client.private["message"]) for client in own]
    messages = sent(clients, values, WEIGHTS)
    before = b"".join(message.content for message in aggregator.post.messages)
    for seed, *private in secrets:
        assert seed not in before
        assert seed.hex().encode() not in before
        assert all(json.dumps(key.decode()).strip('"').encode() not in before for key in private)
    assert json.dumps(own[0].public["mask"]).strip('"').encode() in before  # so that the check can fail
    kinds = {json.loads(message.content).get("phase") for message in aggregator.post.messages if not message.up}
    assert kinds == {"keys", "shares", "forward"}
    aggregator.combine(messages)
    assert aggregator.seeds == {who: seed for who, (seed, *_) in enumerate(secrets)}  # each private mask is opened,
    last = [json.loads(message.content) for message in aggregator.post.messages if message.up][-3:]
    assert all(answer["keys"] == {} for answer in last)  # and nobody's key


def test_fewer_shares_than_the_threshold_give_no_secret_and_as_many_do() -> None:
    clients, _ = parties(5)
    own = [client for client in clients if isinstance(client, SecaggClient)]
    shares = [client.held[0][0] for client in own]
    assert own[0].threshold == 3
    assert combine_shares(shares[1:4], SEED_BYTES) == own[0].seed
    for few in (shares[1:3], shares[3:5]):
        with pytest.raises(ValueError, match="do not give a secret"):
            combine_shares(few, SEED_BYTES)


def test_a_late_update_stays_hidden_though_its_pairwise_masks_are_known() -> None:
    """The aggregator has said that client 2 had gone, and rebuilt its key; the private mask is still there."""
    size, values = 50_000, updates(3, 50_000)
    clients, aggregator = parties(3)
    messages = sent(clients, values, WEIGHTS)
    assert isinstance(clients[2], SecaggClient)
    key = clients[2].private["mask"]
    aggregator.combine(messages[:2])
    left = np.frombuffer(parse_message(messages[2])[2], "<u4").astype(np.int64)
    for who in (0, 1):
        left = left - aggregator.ring.expand_mask(agree_seed(key, aggregator.keys[who]), size)
    assert uniform(left % 2**32) > UNLIKELY
    bare = left - aggregator.ring.expand_mask(clients[2].seed, size)
    assert (bare.astype("<u4") == aggregator.ring.quantise(WEIGHTS[2] * values[2])).all()


LIES: list[tuple[dict[str, Any], str]] = [
    ({"phase": "unmask", "alive": [0, 1, 2], "gone": [2]}, "both secrets of a client"),
    ({"phase": "unmask", "alive": [0, 1], "gone": [2, 3, 4]}, "refuses to unmask 2 of 5"),
    ({"phase": "unmask", "alive": [0, 1, 2, 9], "gone": []}, "refuses to unmask 4 of 5"),
    ({"phase": "shares", "threshold": 3, "keys": {}}, "sent a message on shares, and unmask is due"),
]


@pytest.mark.parametrize(("message", "said"), LIES, ids=[said for _, said in LIES])
def test_a_client_refuses_messages_that_would_open_an_update(message: dict[str, Any], said: str) -> None:
    clients, aggregator = parties(5, consistency=False)
    sent(clients, updates(5), [0.2] * 5)
    with pytest.raises(UserError, match=said):
        aggregator.post.ask(0, message)


def test_a_client_unmasks_once_and_masks_once() -> None:
    clients, aggregator = parties(3, consistency=False)
    sent(clients, updates(3), WEIGHTS)
    with pytest.raises(UserError, match="has already sent its update"):
        clients[0].protect(updates(1)[0], 1.0)
    aggregator.post.ask(0, {"phase": "unmask", "alive": [0, 1, 2], "gone": []})
    with pytest.raises(UserError, match="unmask, and keys is due"):
        aggregator.post.ask(0, {"phase": "unmask", "alive": [0, 1], "gone": [2]})


def test_a_client_signs_no_list_without_itself_and_reveals_no_other_shares_than_it_signed_for() -> None:
    clients, aggregator = parties(4)
    sent(clients, updates(4), [0.25] * 4)
    with pytest.raises(UserError, match="client 0 is missing among the survivors"):
        aggregator.post.ask(0, {"phase": "survivors", "survivors": [1, 2, 3]})
    listed = {"phase": "survivors", "survivors": [3, 2, 1, 0]}
    signed = {who: aggregator.post.ask(who, listed)["signature"] for who in range(4)}
    request = {"phase": "unmask", "alive": [0, 1, 2], "gone": [3], "signatures": signed}
    with pytest.raises(UserError, match="other shares than its list of survivors says"):
        aggregator.post.ask(0, request)
    forged = dict.fromkeys(range(4), signed[0]) | {1: "no signature"}
    with pytest.raises(UserError, match="1 of 4 clients signed its list of survivors, and 3 are needed"):
        aggregator.post.ask(0, request | {"alive": [0, 1, 2, 3], "gone": [], "signatures": forged})
    assert aggregator.post.ask(0, request | {"alive": [0, 1, 2, 3], "gone": []})["keys"] == {}


ROSTERS = [
    (lambda keys: keys | {"0": keys["1"]}, 2, "other keys than its own"),
    (lambda keys: keys | {"2": keys["1"]}, 2, "the same key twice"),
    (lambda keys: keys, 1, "refuses a threshold of 1 of 3"),
    (lambda keys: keys, 4, "refuses a threshold of 4 of 3"),
]


@pytest.mark.parametrize(("change", "threshold", "said"), ROSTERS, ids=[said for *_, said in ROSTERS])
def test_a_client_refuses_rosters_that_cannot_be(change: Any, threshold: int, said: str) -> None:
    _, aggregator = parties(3)
    keys = {str(who): aggregator.post.ask(who, {"phase": "keys"}) for who in range(3)}
    with pytest.raises(UserError, match=said):
        aggregator.post.ask(0, {"phase": "shares", "threshold": threshold, "keys": change(keys)})


def test_shares_that_were_tampered_with_leave_their_receiver_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clients, aggregator = parties(4)
    answer = aggregator.post.parties[1]

    def tampered(content: bytes) -> bytes:
        message = json.loads(content)
        if message["phase"] == "forward":
            message["ciphertexts"]["0"] = message["ciphertexts"]["2"]
        return answer(json.dumps(message).encode())

    monkeypatch.setitem(aggregator.post.parties, 1, tampered)
    aggregator.begin(range(4))
    assert aggregator.refused == ["client 1 cannot open the shares of client 0"]
    values, there = updates(4), [0, 2, 3]
    with pytest.raises(UserError, match="takes no part"):
        clients[1].protect(values[1], 0.25)
    mean = clients[0].open(aggregator.combine([clients[who].protect(values[who], 0.25) for who in there], there))
    assert np.abs(mean - values[there].mean(0)).max() < 1e-6


def test_neighbourhoods_are_mutual_and_of_the_size_that_was_asked_for() -> None:
    near = find_neighbourhoods([4, 2, 0, 1, 3, 5, 6], 4)
    assert {len(around) for around in near.values()} == {5}
    assert all(who in near[other] for who, around in near.items() for other in around)
    assert near[2] == {4, 2, 0, 1, 6}
    assert find_neighbourhoods([0, 1, 2], None)[1] == {0, 1, 2}


def test_values_that_are_too_large_and_odd_neighbours_are_refused() -> None:
    clients, _ = parties(2)
    with pytest.raises(UserError, match="a weighted value of 9 is too large for secure aggregation: at most 8"):
        clients[0].protect(np.array([9.0]), 1.0)
    with pytest.raises(ValueError, match="neighbours=3 must be even"):
        Secagg(neighbours=3)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_ring_holds_the_sum_of_the_largest_values(bits: Any) -> None:
    ring = Ring(7, 2.0, bits)
    for value in (2.0, -2.0):
        total = sum((ring.quantise(np.full(3, value)) for _ in range(7)), np.zeros(3, ring.dtype))
        assert ring.dequantise(total) == pytest.approx(np.full(3, 7 * value), rel=1e-6)


def test_masks_are_of_a_cipher_and_not_flowers_whose_seed_has_32_bits() -> None:
    """The reason for not taking Flower's generator: different secrets, the same mask."""
    from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

    one = bytes(range(32))
    other = one[4:8] + one[:4] + one[8:]  # the same words in another order: the same exclusive or
    theirs = [pseudo_rand_gen(seed, 2**32, [(100,)])[0] for seed in (one, other)]
    assert (theirs[0] == theirs[1]).all()
    ring = Ring(3, 8.0, 32)
    assert (ring.expand_mask(one, 100) != ring.expand_mask(other, 100)).sum() > 90
    # AES-256 of the counter zero, NIST SP 800-38A F.5.5's key, by the block cipher alone
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    blocks = b"".join(block.update(number.to_bytes(16, "big")) for number in range(5))
    assert ring.expand_mask(key, 20).tobytes() == blocks


@pytest.mark.parametrize("clients", [4, 6])
def test_a_threshold_of_exactly_half_is_refused_and_one_more_is_not(clients: int) -> None:
    """The aggregator could ask one half for the shares of a client's seed, and the other half for those of its key."""
    _, aggregator = parties(clients)
    for threshold, allowed in ((clients // 2, False), (clients // 2 + 1, True)):
        keys = {str(who): aggregator.post.ask(who, {"phase": "keys"}) for who in range(clients)}
        message = {"phase": "shares", "threshold": threshold, "keys": keys}
        if allowed:
            assert len(aggregator.post.ask(0, message)["ciphertexts"]) == clients - 1
        else:
            with pytest.raises(UserError, match=f"refuses a threshold of {threshold} of {clients}"):
                aggregator.post.ask(0, message)
