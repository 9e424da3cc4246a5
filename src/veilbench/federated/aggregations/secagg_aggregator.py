"""The aggregator of secure aggregation: it forwards keys and shares, adds masked updates, and removes the masks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Aggregator
from veilbench.federated.aggregations.secagg_masks import (
    SCALAR_BYTES,
    SEED_BYTES,
    Ring,
    agree_seed,
    apply_sign,
    restore_private_key,
)
from veilbench.federated.aggregations.secagg_policy import SharingPolicy
from veilbench.federated.aggregations.secagg_shamir import combine_shares
from veilbench.federated.aggregations.secagg_transport import Transport

Answers = dict[int, dict[str, Any]]


class SecaggAggregator(Aggregator):
    """The aggregator's side of the protocol, for all rounds.

    Args:
        post: transport that delivers messages to the clients and returns their answers.
        ring: integers in which updates and masks are added.
        policy: neighbourhoods and thresholds by the number of clients in a round.
        rng: generator that draws the order of the clients in the ring of neighbours.
    """

    def __init__(self, post: Transport, ring: Ring, policy: SharingPolicy, rng: np.random.Generator) -> None:
        self.post, self.ring, self.policy, self.rng = post, ring, policy, rng
        self.near: dict[int, set[int]] = {}  # for each client of the round, its neighbours and itself
        self.keys: dict[int, bytes] = {}
        self.seeds: dict[int, bytes] = {}  # reconstructed seeds of the last round's private masks
        self.shared: set[int] = set()  # clients that have shared their secrets in this round
        self.refused: list[str] = []  # reasons for missing answers in this round
        self.spent: dict[str, float] = {}

    def begin(self, members: Sequence[int]) -> None:
        """Start a round: collect the clients' keys and shares, and forward them to the neighbours.

        Raises:
            UserError: too few clients answered.
        """
        self.post.messages.clear()
        self.refused.clear()
        neighbours = self.policy.choose_neighbours(len(members))
        self.near = find_neighbourhoods(self.rng.permutation(members).tolist(), neighbours)
        answers = self._ask_all("keys", {who: {} for who in members})
        self.keys = {who: answer["mask"].encode() for who, answer in answers.items()}
        self._require_enough(answers, "keys")
        asked = {
            who: {
                "threshold": self._get_threshold(who),
                "keys": {near: answers[near] for near in self._find_neighbours(who, answers)},
            }
            for who in answers
        }
        sealed = {who: answer["ciphertexts"] for who, answer in self._ask_all("shares", asked).items()}
        self._require_enough(sealed, "shares")
        forwarded = {
            who: {
                "ciphertexts": {
                    near: sealed[near][str(who)] for near in self._find_neighbours(who, sealed) if near != who
                }
            }
            for who in sealed
        }
        self.shared = set(sealed)
        self._require_enough(self._ask_all("forward", forwarded), "an answer to the shares")

    def combine(self, messages: Sequence[bytes], senders: Sequence[int] | None = None) -> bytes:
        """Sum the masked updates and remove the masks with the help of the clients that sent one.

        Raises:
            UserError: a sender did not take part in the round, or too few clients answered.
        """
        self.senders = list(range(len(messages))) if senders is None else list(senders)
        return super().combine(messages, senders)

    def costs(self) -> dict[str, float]:
        """Return the seconds of each phase in all rounds, and the bytes of protocol messages per client in the last."""
        up = sum(len(message.content) for message in self.post.messages if message.up)
        down = sum(len(message.content) for message in self.post.messages if not message.up)
        return self.spent | {"messages_bytes_up": up / len(self.near), "messages_bytes_down": down / len(self.near)}

    def _check(self, payload: bytes, size: int, largest_norm: float | None) -> None:
        if len(payload) != size * self.ring.dtype.itemsize:
            raise UserError(f"{len(payload)} bytes do not hold {size} masked numbers of {self.ring.bits} bits")

    def _combine(self, payloads: Sequence[bytes], weights: Sequence[float], size: int) -> bytes:
        for payload in payloads:
            self._check(payload, size, None)
        if len(set(self.senders)) < len(self.senders) or not self.shared.issuperset(self.senders):
            raise UserError(
                f"masked updates of clients {self.senders} in a round that {sorted(self.shared)} have begun"
            )
        self._require_enough(self.senders, "a masked update")
        total = np.zeros(size, self.ring.dtype)
        for payload in payloads:
            total = total + np.frombuffer(payload, self.ring.dtype)
        alive, gone = set(self.senders), self.shared - set(self.senders)
        answers = self._collect_shares(alive, gone)
        with self._measure_seconds("rebuilding_seconds"):
            self.seeds = {who: self._reconstruct_secret(answers, "seeds", who, SEED_BYTES) for who in sorted(alive)}
            for seed in self.seeds.values():
                total = total - self.ring.expand_mask(seed, size)
            for who in sorted(gone):
                scalar = self._reconstruct_secret(answers, "keys", who, SCALAR_BYTES)
                total = total - self._sum_pairwise_masks(who, restore_private_key(scalar), alive, size)
        return self.ring.dequantise(total).tobytes()

    def _collect_shares(self, alive: set[int], gone: set[int]) -> Answers:
        """Ask the clients that sent an update for shares, after they have signed the list of these clients."""
        asked: dict[int, dict[str, Any]] = {
            who: {"alive": sorted(self._find_neighbours(who, alive)), "gone": sorted(self._find_neighbours(who, gone))}
            for who in sorted(alive)
        }
        if self.policy.consistency:
            signed = self._ask_all("survivors", {who: {"survivors": sorted(alive)} for who in sorted(alive)})
            self._require_enough(signed, "a signature on the survivors")
            for who, request in asked.items():
                near = self._find_neighbours(who, signed)
                request["signatures"] = {other: signed[other]["signature"] for other in sorted(near)}
        return self._ask_all("unmask", asked)

    def _sum_pairwise_masks(self, who: int, private: bytes, alive: set[int], size: int) -> np.ndarray:
        """Return the sum of the pairwise masks that neighbours added for a client that dropped out."""
        total = np.zeros(size, self.ring.dtype)
        for near in sorted(self._find_neighbours(who, alive)):
            total = total + apply_sign(self.ring.expand_mask(agree_seed(private, self.keys[near]), size), near, who)
        return total

    def _reconstruct_secret(self, answers: Answers, name: str, who: int, size: int) -> bytes:
        """Reconstruct a client's secret of `size` bytes from its neighbours' shares.

        Raises:
            UserError: there are too few shares, or they are inconsistent.
        """
        near = (answers[other][name] for other in sorted(self._find_neighbours(who, answers)))
        shares = [bytes.fromhex(held[str(who)]) for held in near if str(who) in held]
        if len(shares) < self._get_threshold(who):
            raise UserError(
                f"secure aggregation has {len(shares)} shares of a secret of client {who}, and "
                f"{self._get_threshold(who)} of "
                f"{len(self.near[who])} are needed{self._explain_refusals()}"
            )
        try:
            return combine_shares(shares[: self._get_threshold(who)], size)
        except ValueError as error:
            raise UserError(f"the shares of a secret of client {who} do not fit together") from error

    def _ask_all(self, phase: str, messages: dict[int, dict[str, Any]]) -> Answers:
        """Send one message to each client and return the answers of those that respond."""
        answers: Answers = {}
        with self._measure_seconds(f"{phase}_seconds"):
            for who, message in messages.items():
                try:
                    answers[who] = self.post.ask(who, {"phase": phase, **message})
                except UserError as error:
                    self.refused.append(str(error))
        return answers

    @contextmanager
    def _measure_seconds(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - started

    def _find_neighbours(self, who: int, there: Iterable[int]) -> set[int]:
        return self.near[who] & set(there)

    def _explain_refusals(self) -> str:
        return f" ({'; '.join(self.refused)})" if self.refused else ""

    def _get_threshold(self, who: int) -> int:
        return self.policy.choose_threshold(len(self.near[who]))

    def _require_enough(self, there: Iterable[int], what: str) -> None:
        """Check that enough neighbours of every responding client have responded too.

        Raises:
            UserError: a client has fewer responding neighbours than its threshold.
        """
        there = set(there)
        for who in sorted(there or self.near):
            have, least = len(self._find_neighbours(who, there)), self._get_threshold(who)
            if have < least:
                raise UserError(
                    f"secure aggregation needs {what} from {least} of the {len(self.near[who])} clients around client "
                    f"{who}, and has {have}{self._explain_refusals()}"
                )


def find_neighbourhoods(ring: Sequence[int], neighbours: int | None) -> dict[int, set[int]]:
    """Return each client's neighbours in a ring, half of them on each side, and itself (Bell et al. 2020).

    Args:
        ring: the clients' numbers in the order of the ring.
        neighbours: number of neighbours of a client, even; None for all the others.
    """
    half = len(ring) if neighbours is None else neighbours // 2
    return {who: {ring[(at + by) % len(ring)] for by in range(-half, half + 1)} for at, who in enumerate(ring)}
