"""One row per record, however many publish it at once, on however many hosts.

A store offers nothing but tags of runs that all can read, so publishers queue up as in Lamport's bakery: each makes a
run without a ticket, looks which tickets there are, takes the next number, and waits until nobody stands before it,
with a smaller number or about to take one. The first publishes and marks its run as finished; the others see that,
delete their own runs and return the finished one. A publisher that was killed would keep the others waiting: its run
is deleted as soon as its process is proven to be gone, which can be seen on its own host, or once it is overdue.

Leslie Lamport: A New Solution of Dijkstra's Concurrent Programming Problem. Communications of the ACM 17(8), 1974.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from veilbench.bench.errors import UserError
from veilbench.bench.tracking.presence import Publisher
from veilbench.bench.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

DIGEST, STAGE = "veilbench.digest", "veilbench.stage"
PUBLISHER, TICKET, DEADLINE = "veilbench.publisher", "veilbench.ticket", "veilbench.deadline"
GRACE = 600  # seconds beyond its own deadline after which a run counts as given up: clocks of hosts differ
PAUSE = 0.2  # seconds between two looks


class Busy(UserError):
    """Somebody else is publishing this record."""


@dataclass
class Queue:
    """The runs of one record in a store.

    Attributes:
        store: where.
        digest: the record's.
        deadline: seconds after which this publisher is ended.
    """

    store: Store
    digest: str
    deadline: float

    def __post_init__(self) -> None:
        self.me, self.ends = Publisher.here(), time.monotonic() + self.deadline

    @contextmanager
    def turn(self, name: str, tags: dict[str, str]) -> Iterator[tuple[str, bool]]:
        """Wait for this publisher's turn.

        Args:
            name: of the run to be made.
            tags: of the run to be made.

        Yields:
            The run's id, and whether it is to be filled now; False where it is finished already. A run that is not
            filled when the block ends is deleted.

        Raises:
            Busy: a live publisher was not done in time, or has taken this publisher for dead.
        """
        if done := self._wait_for_living():
            yield done, False
            return
        own = {DIGEST: self.digest, STAGE: "experiment", PUBLISHER: f"{self.me}", DEADLINE: f"{self.deadline:g}"}
        mine = str(self.store.client.create_run(self.store.group, run_name=name, tags={**tags, **own}).info.run_id)
        try:
            self._take_ticket(mine)
            done = self._wait_before(mine)
            if not done:
                yield mine, True
                self.store.client.set_terminated(mine, "FINISHED")
                return
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell; who comes next finds this process gone
                self.discard(mine)
            raise
        self.discard(mine)
        yield done, False

    def _wait_for_living(self) -> str | None:
        """The finished run; None as soon as there is none, and nobody alive who makes one."""
        while True:
            done, living = self._look()
            if done or not living:
                return done
            self._pause(living[0])

    def _take_ticket(self, mine: str) -> None:
        tickets = [_ticket(run) or 0 for run in self._runs()]
        self.store.client.set_tag(mine, TICKET, str(1 + max(tickets, default=0)))

    def _wait_before(self, mine: str) -> str | None:
        """The finished run; None as soon as it is this publisher's turn."""
        while True:
            done, living = self._look()
            own = next((run for run in living if run.info.run_id == mine), None)
            if done:
                return done
            if own is None:
                raise Busy("another process took over: it found this one overdue, and deleted its run")
            place = (_ticket(own) or 0, mine)
            ahead = [run for run in living if run is not own and _stands_before(run, place)]
            if not ahead:
                return None
            self._pause(ahead[0])

    def _look(self) -> tuple[str | None, list[Run]]:
        """The run that is finished, and those of living publishers; what others left is deleted."""
        runs = self._runs()
        if finished := [run for run in runs if run.info.status == "FINISHED"]:
            return str(min(finished, key=lambda run: (run.info.start_time, run.info.run_id)).info.run_id), []
        given_up = [run for run in runs if self._is_given_up(run)]
        for run in given_up:
            self.discard(run.info.run_id)
        return None, [run for run in runs if run not in given_up]

    def _runs(self) -> list[Run]:
        found: list[Run] = self.store.client.search_runs(
            [self.store.group], f"tags.`{DIGEST}` = '{self.digest}' AND tags.`{STAGE}` = 'experiment'"
        )
        return found

    def _is_given_up(self, run: Run) -> bool:
        publisher = Publisher.parse(run.data.tags.get(PUBLISHER, ""))
        if publisher and publisher.token == self.me.token:
            return False
        if run.info.status not in ("RUNNING", "SCHEDULED") or (publisher and publisher.is_dead(self.me)):
            return True
        return time.time() > _overdue(run)

    def _pause(self, other: Run) -> None:
        if time.monotonic() > self.ends - 2 * PAUSE:  # this process would be ended anyhow: better with a reason
            until = time.strftime("%H:%M", time.localtime(_overdue(other)))
            raise Busy(
                f"another process ({other.data.tags.get(PUBLISHER, 'unknown')}) is publishing this record as run "
                f"{other.info.run_id}; if it is gone, run `python pipelines/track.py` after {until}"
            )
        time.sleep(PAUSE)

    def discard(self, run_id: str) -> None:
        """Delete a run whose publishing was cut short, with its stages."""
        client, group = self.store.client, self.store.group
        for child in client.search_runs([group], f"tags.mlflow.parentRunId = '{run_id}'"):
            client.delete_run(child.info.run_id)
        client.delete_run(run_id)


def _ticket(run: Run) -> int | None:
    tag = run.data.tags.get(TICKET, "")
    return int(tag) if tag.isdecimal() else None


def _overdue(run: Run) -> float:
    """The time from which a run counts as given up, in seconds since 1970."""
    try:
        deadline = float(run.data.tags[DEADLINE])
    except (KeyError, ValueError):  # made by an earlier version
        deadline = 0.0
    return float(run.info.start_time) / 1000 + deadline + GRACE


def _stands_before(run: Any, place: tuple[int, str]) -> bool:
    ticket = _ticket(run)
    return ticket is None or (ticket, run.info.run_id) < place
