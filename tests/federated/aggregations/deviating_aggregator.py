"""An aggregator that deviates from secure aggregation: it sends clients different lists of survivors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import parse_message
from veilbench.federated.aggregations.secagg_aggregator import SecaggAggregator
from veilbench.federated.aggregations.secagg_client import SecaggClient
from veilbench.federated.aggregations.secagg_masks import (
    SCALAR_BYTES,
    SEED_BYTES,
    agree_seed,
    apply_sign,
    export_scalar,
    restore_private_key,
)
from veilbench.federated.aggregations.secagg_shamir import combine_shares
from veilbench.federated.aggregations.secagg_survivors import sign_survivors


class DeviatingAggregator:
    """Reads one client's update with the help of a colluding client, after the clients have sent masked updates."""

    def __init__(self, honest: SecaggAggregator, colluder: SecaggClient) -> None:
        self.honest, self.colluder, self.near = honest, colluder, honest.near
        self.refused: list[str] = []

    def read(self, victim: int, message: bytes, lists: Mapping[int, set[int]]) -> np.ndarray | None:
        """Return the victim's weighted update; None if a secret is missing.

        Args:
            victim: number of the attacked client.
            message: the victim's masked update.
            lists: the survivors that each honest client is told of.
        """
        self.answers = self._ask_for_shares(lists)
        payload, ring = parse_message(message)[2], self.honest.ring
        left = np.frombuffer(payload, ring.dtype)
        secrets = {who: self._restore("keys", who, SCALAR_BYTES) for who in self.near[victim] - {victim}}
        secrets[victim] = self._restore("seeds", victim, SEED_BYTES)
        if None in secrets.values():
            return None
        for who, secret in secrets.items():
            assert secret is not None
            if who == victim:
                left = left - ring.expand_mask(secret, len(left))
                continue
            seed = agree_seed(restore_private_key(secret), self.honest.keys[victim])
            left = left - apply_sign(ring.expand_mask(seed, len(left)), victim, who)
        return ring.dequantise(left)

    def _ask_for_shares(self, lists: Mapping[int, set[int]]) -> dict[int, dict[str, Any]]:
        answers = {self.colluder.number: self._take_colluders_shares()}
        signed: dict[int, str] = {}
        if self.honest.policy.consistency:
            for who, told in lists.items():
                signed[who] = self._ask(who, "survivors", survivors=sorted(told)).get("signature", "")
        for who, told in lists.items():
            near = self.near[who]
            request: dict[str, Any] = {"alive": sorted(near & told), "gone": sorted(near - told)}
            if signed:
                request["signatures"] = signed | {
                    self.colluder.number: sign_survivors(self.colluder.private["sign"], told)
                }
            if answer := self._ask(who, "unmask", **request):
                answers[who] = answer
        return answers

    def _take_colluders_shares(self) -> dict[str, Any]:
        held = self.colluder.held.items()
        return {
            "seeds": {str(who): seed.hex() for who, (seed, _) in held},
            "keys": {str(who): key.hex() for who, (_, key) in held},
        }

    def _ask(self, who: int, phase: str, **request: Any) -> dict[str, Any]:
        try:
            return self.honest.post.ask(who, {"phase": phase, **request})
        except UserError as error:
            self.refused.append(str(error))
            return {}

    def _restore(self, name: str, who: int, size: int) -> bytes | None:
        if who == self.colluder.number:
            return export_scalar(self.colluder.private["mask"])
        shares = [bytes.fromhex(answer[name][str(who)]) for answer in self.answers.values() if str(who) in answer[name]]
        least = self.honest.policy.choose_threshold(len(self.near[who]))
        return combine_shares(shares[:least], size) if len(shares) >= least else None


def plan_lists(aggregator: SecaggAggregator, victim: int, colluder: int) -> dict[int, set[int]]:
    """Return the survivors to tell each honest client of, such that all neighbours of the victim seem to be gone.

    Which client is told of whose absence is a flow: source, clients that are told, neighbours that seem gone, sink. A
    client accepts at most as many absences as leave it the threshold of survivors.
    """
    near, count = aggregator.near, len(aggregator.near)
    targets = sorted(near[victim] - {victim, colluder})
    flow = np.zeros((2 * count + 2, 2 * count + 2), np.int32)
    source, sink = 2 * count, 2 * count + 1
    for who in set(near) - {colluder}:
        flow[source, who] = len(near[who]) - aggregator.policy.choose_threshold(len(near[who]))
        for target in near[who] & set(targets) - {who}:
            flow[who, count + target] = 1
    for target in targets:
        least = aggregator.policy.choose_threshold(len(near[target]))
        flow[count + target, sink] = least - (colluder in near[target])
    found = maximum_flow(csr_array(flow), source, sink).flow.toarray()
    told = {who: {t for t in targets if found[who, count + t] > 0} for who in set(near) - {colluder}}
    return {who: set(near) - gone for who, gone in told.items()}
