"""What an aggregator takes from clients that may be broken, late or ill-meaning, and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field

from veilbench.bench.errors import UserError
from veilbench.federated.aggregations.base import Aggregator, stamp


@dataclass(frozen=True)
class RoundPolicy:
    """When a message counts, and when a round does.

    A message that does not count is left out, and said whose it was. A round with fewer messages than `least_clients`,
    or with a mean that is not finite or longer than `largest_norm`, changes nothing.

    Attributes:
        deadline: seconds that a client has for its part of a round; None waits for ever.
        largest_norm: of an update, where the aggregator can read it, and of the mean, where clients open it; Euclidean.
            None allows any.
        least_clients: whose messages a round needs.
    """

    deadline: float | None = None
    largest_norm: float | None = None
    least_clients: int = 1


@dataclass
class Inbox:
    """The aggregator's side of all rounds. It trusts the transport to say who a sender is.

    A replay is known by its round and its nonce: two honest updates may be equal in every digit.

    Attributes:
        aggregator: knows what a message must look like.
        policy: what counts.
        size: of an update.
        weights: per client, the share that is its own.
        seen: nonces of all messages that were ever taken, in hexadecimal digits.
    """

    aggregator: Aggregator
    policy: RoundPolicy
    size: int
    weights: list[float]
    seen: set[str] = field(default_factory=set)

    def checked(self, client: int, number: int, message: bytes, seconds: float) -> bytes:
        """The message, if it counts.

        Args:
            client: who sent it.
            number: of the round.
            message: what it sent.
            seconds: that it took.

        Raises:
            UserError: it does not count; the line says why.
        """
        if self.policy.deadline is not None and seconds > self.policy.deadline:
            raise UserError(f"it came after {seconds:.1f} s, and the deadline was {self.policy.deadline:g} s")
        sent_for, nonce = stamp(message)
        if sent_for != number:
            raise UserError(f"its update is of round {sent_for + 1}")
        if nonce.hex() in self.seen:
            raise UserError("this message has been sent before")
        self.aggregator.check(message, self.size, self.weights[client], self.policy.largest_norm)
        self.seen.add(nonce.hex())
        return message
