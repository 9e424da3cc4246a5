"""Ensures that a record is published as one run, even if several processes on several hosts publish it at once.

All that publishers share is the tags of runs, which all can read, so they queue up as in Lamport's bakery algorithm.
Each creates a run without a ticket, reads the existing tickets, takes the next number, and waits until no other run is
about to take one. The run with the smallest number is published and marked as finished. The others delete their own
runs, so that a kill leaves no row of theirs, and wait until the first has finished or is gone. The smallest start would
not do instead of a ticket: a run that is created late, or by a clock that is slow, could be smaller than one whose
publisher has already begun.

A killed publisher would block the others, so its run is deleted as soon as its process is known to be gone, which only
processes on its own host can see, or once its lease has expired. The run of a live publisher is deleted by nobody else.

Leslie Lamport: A New Solution of Dijkstra's Concurrent Programming Problem. Communications of the ACM 17(8), 1974.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veilbench.bench.tracking.lease import DEFAULT_LEASE, claim_tags, expires, published, renewing
from veilbench.bench.tracking.logged_model import delete_logged_models
from veilbench.bench.tracking.presence import Publisher
from veilbench.bench.tracking.stage_times import Span
from veilbench.bench.tracking.store import Busy, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

DIGEST, STAGE = "veilbench.digest", "veilbench.stage"
PUBLISHER, TICKET = "veilbench.publisher", "veilbench.ticket"
PAUSE = 0.2  # seconds between two reads of the queue


@dataclass
class Queue:
    """The runs of one record in a store.

    Attributes:
        store: the store that holds the runs.
        digest: digest that identifies the record.
        deadline: seconds after which this publisher is stopped.
        lease: seconds without a sign of life after which others may take over this publisher's run.
    """

    store: Store
    digest: str
    deadline: float
    lease: float = DEFAULT_LEASE * 60

    def __post_init__(self) -> None:
        self.me, self.ends = Publisher.here(), time.monotonic() + self.deadline
        self.mine = ""  # id of the run that this publisher has created

    @contextmanager
    def turn(self, name: str, tags: dict[str, str], ran: Span | None = None) -> Iterator[tuple[str, bool]]:
        """Wait for this publisher's turn.

        Args:
            name: name of the run to create.
            tags: tags of the run to create.
            ran: start and end of what the run records; None for the time of publishing.

        Yields:
            The run's id, and whether the caller must fill it now; False if the run is already finished. If the block
            raises an error, its run is deleted.

        Raises:
            Busy: another live publisher did not finish in time, or considered this one dead.
        """
        done = self._wait_for_living()
        while not done and not self._claim(name, tags, ran):
            done = self._wait_for_living()
        if done:
            yield done, False
            return
        try:
            with renewing(self.store, self.mine, self.lease):
                yield self.mine, True
                self.store.client.set_terminated(self.mine, "FINISHED", ran.end if ran else None)
        except BaseException:
            self._discard_mine()
            raise
        self._look()  # deletes what a repeated request has created

    def _claim(self, name: str, tags: dict[str, str], ran: Span | None) -> bool:
        """Create a run; if another publisher comes first, delete it again and return False."""
        self.mine = self._create(name, tags, ran)
        try:
            self._take_ticket()
            is_first = self._is_first()
        except BaseException:
            self._discard_mine()
            raise
        if not is_first:
            self.discard(self.mine)
        return is_first

    def _discard_mine(self) -> None:
        with suppress(Exception):  # report the first error; the next publisher will see that this process is gone
            self.discard(self.mine)

    def _create(self, name: str, tags: dict[str, str], ran: Span | None) -> str:
        own = {
            DIGEST: self.digest,
            STAGE: "experiment",
            PUBLISHER: f"{self.me}",
            **claim_tags(self.lease),
        }
        made = self.store.client.create_run(self.store.group, ran.start if ran else None, {**tags, **own}, name)
        return str(made.info.run_id)

    def _wait_for_living(self) -> str | None:
        """Return the finished run, or None as soon as there is neither a finished run nor a live publisher."""
        while True:
            done, living = self._look()
            if done or not living:
                return done
            self._pause(living[0])

    def _take_ticket(self) -> None:
        tickets = [_ticket(run) or 0 for run in self._runs()]
        self.store.client.set_tag(self.mine, TICKET, str(1 + max(tickets, default=0)))

    def _is_first(self) -> bool:
        """Whether this publisher comes first; waits until all others have taken their tickets."""
        while True:
            done, living = self._look()
            own = next((run for run in living if run.info.run_id == self.mine), None)
            if done:
                return False
            if own is None:
                raise Busy("another process took over: it found the claim of this one expired, and deleted its run")
            if any(_place(run) < _place(own) for run in living if _ticket(run)):
                return False
            choosing = [run for run in living if not _ticket(run)]
            if not choosing:
                return True
            self._pause(choosing[0])

    def _look(self) -> tuple[str | None, list[Run]]:
        """Return the finished run and the runs of live publishers; delete abandoned runs."""
        runs = self._runs()
        finished = [run for run in runs if run.info.status == "FINISHED"]
        given_up = [run for run in runs if run not in finished and self._is_given_up(run)]
        for run in given_up:
            self.discard(run.info.run_id)
        if finished:
            return str(min(finished, key=lambda run: (published(run), run.info.run_id)).info.run_id), []
        return None, [run for run in runs if run not in given_up]

    def _runs(self) -> list[Run]:
        found: list[Run] = self.store.client.search_runs(
            [self.store.group], f"tags.`{DIGEST}` = '{self.digest}' AND tags.`{STAGE}` = 'experiment'"
        )
        return found

    def _is_given_up(self, run: Run) -> bool:
        publisher = Publisher.parse(run.data.tags.get(PUBLISHER, ""))
        if publisher and publisher.token == self.me.token:
            return bool(run.info.run_id != self.mine)  # MLflow repeats a request that a slow server did not answer
        if run.info.status not in ("RUNNING", "SCHEDULED") or (publisher and publisher.is_dead(self.me)):
            return True
        return time.time() > expires(run)

    def _pause(self, other: Run) -> None:
        if time.monotonic() > self.ends - 2 * PAUSE:  # this process is about to be stopped: better with a reason
            until = time.strftime("%H:%M", time.localtime(expires(other)))
            raise Busy(
                f"another process ({other.data.tags.get(PUBLISHER, 'unknown')}) is publishing this record as run "
                f"{other.info.run_id}; if it is gone, run `python pipelines/track.py` after {until}"
            )
        time.sleep(PAUSE)

    def discard(self, run_id: str) -> None:
        """Delete a run that was not completely published, with the runs of its stages and its model."""
        client, group = self.store.client, self.store.group
        delete_logged_models(self.store, run_id)
        for child in client.search_runs([group], f"tags.mlflow.parentRunId = '{run_id}'"):
            client.delete_run(child.info.run_id)
        client.delete_run(run_id)


def _ticket(run: Run) -> int | None:
    tag = run.data.tags.get(TICKET, "")
    return int(tag) if tag.isdecimal() else None


def _place(run: Run) -> tuple[int, str]:
    return _ticket(run) or 0, run.info.run_id
