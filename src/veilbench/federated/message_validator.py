"""Validates client messages: rejects late, malformed or malicious ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Aggregator, parse_stamp


@dataclass(frozen=True)
class RoundPolicy:
    """Rules by which messages and rounds are accepted.

    Rejected messages are dropped and reported with the client's number. A round is rejected, so that the weights stay
    unchanged, if fewer than `least_clients` messages are accepted, or if the mean is not finite or too large.

    Attributes:
        deadline: maximum number of seconds that a client may take for its part of a round; None for no limit.
        largest_norm: maximum Euclidean norm of an update, where the aggregator can read it, and of the mean. None for
            no limit.
        least_clients: minimum number of accepted messages per round.
    """

    deadline: float | None = None
    largest_norm: float | None = None
    least_clients: int = 1


@dataclass
class MessageValidator:
    """Validates the messages that the aggregator receives in all rounds. The transport must authenticate the senders.

    Replays are detected by round number and nonce, not by content: two honest updates may be identical.

    Attributes:
        aggregator: aggregator that checks the payload of each message.
        policy: rules by which messages are accepted.
        size: number of values in an update.
        weights: expected weight of each client in the mean.
        seen: nonces of all messages accepted so far, as hexadecimal strings.
    """

    aggregator: Aggregator
    policy: RoundPolicy
    size: int
    weights: list[float]
    seen: set[str] = field(default_factory=set)

    def validate(self, client: int, number: int, message: bytes, seconds: float) -> bytes:
        """Return the message unchanged if it is valid, and store its nonce.

        Args:
            client: number of the sender.
            number: number of the current round, from 0.
            message: bytes as received from the client.
            seconds: time that the client took for its part of the round, in seconds.

        Raises:
            UserError: the message is late, replayed, for another round, or fails the aggregator's check.
        """
        if self.policy.deadline is not None and seconds > self.policy.deadline:
            raise UserError(f"it came after {seconds:.1f} s, and the deadline was {self.policy.deadline:g} s")
        sent_in, nonce = parse_stamp(message)
        if sent_in != number:
            raise UserError(f"its update is of round {sent_in + 1}")
        if nonce.hex() in self.seen:
            raise UserError("this message has been sent before")
        self.aggregator.check(message, self.size, self.weights[client], self.policy.largest_norm)
        self.seen.add(nonce.hex())
        return message
