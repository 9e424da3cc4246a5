"""One run per record: simultaneous publishers, in random orders of their requests; dead, expired and live ones."""

from __future__ import annotations

import mmap
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from veilbench.bench.tracking import claim
from veilbench.bench.tracking.claim import DIGEST, PUBLISHER, STAGE, TICKET, Busy, Queue
from veilbench.bench.tracking.lease import LEASE, PUBLISHED
from veilbench.bench.tracking.presence import Publisher
from veilbench.bench.tracking.stage_times import Span
from veilbench.bench.tracking.store import Store


@dataclass
class Runs:
    """A tracking server in memory with the interface of MLflow's client; every request is atomic.

    Attributes:
        models: the run that each logged model belongs to.
        before: function that is called before each request.
        clocks: error of the clock of each thread's host, in seconds.
    """

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    before: Any = lambda: None
    clocks: dict[int, float] = field(default_factory=dict)

    @contextmanager
    def request(self) -> Iterator[None]:
        self.before()
        with self.lock:
            yield

    def create_run(self, group: str, start_time: int | None, tags: dict[str, str], run_name: str) -> Any:
        with self.request():
            run_id = f"{random.random()}"
            now = int((time.time() + self.clocks.get(threading.get_ident(), 0.0)) * 1000)
            self.runs[run_id] = {"status": "RUNNING", "start": start_time or now, "tags": dict(tags)}
            if PUBLISHED in tags:
                self.runs[run_id]["tags"][PUBLISHED] = f"{now}"  # by the clock of the publisher's host
            return self._shown(run_id)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        with self.request():
            self._active(run_id)["tags"][key] = value

    def set_terminated(self, run_id: str, status: str, end_time: int | None = None) -> None:
        with self.request():
            self._active(run_id).update(status=status, end=end_time)

    def delete_run(self, run_id: str) -> None:
        with self.request():
            self.runs.pop(run_id, None)

    def search_logged_models(self, groups: list[str], query: str) -> list[Any]:
        with self.request():
            return [SimpleNamespace(model_id=model) for model, run_id in self.models.items() if run_id in query]

    def delete_logged_model(self, model_id: str) -> None:
        with self.request():
            del self.models[model_id]

    def search_runs(self, groups: list[str], query: str) -> list[Any]:
        with self.request():
            if "parentRunId" in query:
                return [self._shown(r) for r in self.runs if self.runs[r]["tags"].get("parent", "-") in query]
            return [self._shown(r) for r in self.runs if DIGEST in self.runs[r]["tags"]]

    def _active(self, run_id: str) -> dict[str, Any]:
        if run_id not in self.runs:
            raise ValueError(f"run {run_id} must be in the 'active' state")
        return self.runs[run_id]

    def _shown(self, run_id: str) -> Any:
        run = self.runs[run_id]
        info = SimpleNamespace(run_id=run_id, status=run["status"], start_time=run["start"])
        return SimpleNamespace(info=info, data=SimpleNamespace(tags=dict(run["tags"])))


def queue(server: Runs, host: str = "", deadline: float = 30.0) -> Queue:
    made = Queue(Store(server, "0"), "digest", deadline)  # type: ignore[arg-type]
    if host:
        made.me = replace(made.me, home=host)
    return made


def left(server: Runs, publisher: Publisher | None, age: float = 0.0, **tags: str) -> str:
    """Create a run that a publisher has left behind."""
    own = {DIGEST: "digest", STAGE: "experiment", **tags} | ({PUBLISHER: f"{publisher}"} if publisher else {})
    run_id: str = server.create_run("0", None, own, "left").info.run_id
    server.runs[run_id]["start"] -= int(age * 1000)
    server.runs[f"{run_id}-stage"] = {"status": "RUNNING", "start": 0, "tags": {"parent": run_id}}
    return run_id


def fill(own: Queue) -> tuple[str, bool]:
    with own.turn("e", {}) as (run_id, is_new):
        return run_id, is_new


@pytest.mark.parametrize("seed", range(30))
def test_one_of_several_hosts_fills_one_run(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests in random orders, clocks that differ by minutes, and sometimes a failing publisher."""
    monkeypatch.setattr(claim, "PAUSE", 0.001)
    rng = random.Random(seed)
    delays = [rng.random() ** 4 * 0.01 for _ in range(1000)]
    server, inside, outcomes = Runs(), [], []
    server.before = lambda: time.sleep(delays[rng.randrange(1000)])

    def publish(host: str, fails: bool) -> None:
        server.clocks[threading.get_ident()] = rng.uniform(-300, 300)
        try:
            with queue(server, host).turn("e", {}) as (run_id, is_new):
                if is_new:
                    inside.append(run_id)
                    assert len(inside) == 1  # no other publisher is inside
                    server.before()
                    inside.remove(run_id)
                    if fails:
                        raise KeyError(host)
                outcomes.append((run_id, is_new))
        except KeyError:
            outcomes.append(("", False))

    threads = [threading.Thread(target=publish, args=(f"host{n}", n == seed % 8)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 5
    assert sum(is_new for _, is_new in outcomes) == 1
    assert [run["status"] for run in server.runs.values()] == ["FINISHED"]
    assert {run_id for run_id, _ in outcomes} - {""} == set(server.runs)


def test_the_earliest_finished_run_counts() -> None:
    server = Runs()
    runs = [left(server, None, age) for age in (10, 30, 20)]
    for run in runs:
        server.set_terminated(run, "FINISHED")
    assert fill(queue(server)) == (runs[1], False)
    assert set(runs) <= set(server.runs)


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
def test_what_a_dead_process_of_this_host_left_is_deleted_with_its_stages(status: str) -> None:
    server = Runs()
    dead = replace(Publisher.here(), process=2**22 + 1, token="other")  # larger than any process id on Linux
    old = left(server, dead)
    server.runs[old]["status"] = status
    server.models |= {"of the dead": old, "of another": "another run"}
    new, is_new = fill(queue(server))
    assert is_new
    assert set(server.runs) == {new}
    assert set(server.models) == {"of another"}


def test_a_process_number_that_is_used_again_is_another_process() -> None:
    me = Publisher.here()
    assert not replace(me, process=1, started=_started_of(1), token="other").is_dead(me)
    assert replace(me, process=1, started="7", token="other").is_dead(me)


@pytest.mark.parametrize(("error", "is_dead"), [(PermissionError, False), (ProcessLookupError, True)])
def test_a_process_of_another_user_is_taken_to_be_alive(
    error: type[OSError], is_dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(process: int, signal: int) -> None:
        assert signal == 0, "it is only asked for"
        raise error

    me = Publisher.here()
    monkeypatch.setattr(os, "kill", kill)
    assert replace(me, process=me.process + 1, token="other").is_dead(me) is is_dead


def test_only_another_record_of_this_host_can_be_dead() -> None:
    me = Publisher.here()
    assert not me.is_dead(me)
    assert replace(me, token="other").is_dead(me), "this process publishes one record at a time"
    assert not replace(me, home="other host", token="other").is_dead(me)


def test_a_start_is_what_psutil_reads_and_stays_as_the_process_grows() -> None:
    me = Publisher.here()
    if not me.started:
        pytest.skip("only Linux says when a process was started")
    since_boot = psutil.Process(me.process).create_time() - psutil.boot_time()
    assert int(me.started) / os.sysconf("SC_CLK_TCK") == pytest.approx(since_boot, abs=1)
    with mmap.mmap(-1, 2**24):
        assert Publisher.here().started == me.started


def _started_of(process: int) -> str:
    from veilbench.bench.tracking.presence import _start_time

    try:
        return _start_time(process)
    except PermissionError:
        pytest.skip("the first process is closed to us")


def test_a_tag_says_who_publishes() -> None:
    me = Publisher.here()
    assert Publisher.parse(f"{me}") == me
    assert Publisher.parse("") is None
    assert Publisher.parse("a b c d") is None


@pytest.mark.parametrize("ticket", ["", "1"])
def test_a_live_publisher_is_waited_for_and_never_deleted(ticket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "PAUSE", 0.01)
    server = Runs()
    other = replace(Publisher.here(), home="other host", token="other")
    run = left(server, other, age=60, **{LEASE: "600", TICKET: ticket})
    with pytest.raises(Busy, match="is publishing this record") as error:
        fill(queue(server, deadline=0.1))
    assert f"run {run}" in str(error.value)
    assert "other host" in str(error.value)
    assert set(server.runs) == {run, f"{run}-stage"}
    threading.Timer(0.2, server.set_terminated, (run, "FINISHED")).start()
    assert fill(queue(server)) == (run, False)


@pytest.mark.parametrize(("age", "is_over"), [(30, False), (90, True)])
def test_a_publisher_of_another_host_is_given_up_when_its_lease_has_expired(
    age: float, is_over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "PAUSE", 0.01)
    server = Runs()
    run = left(server, replace(Publisher.here(), home="other host", token="other"), age, **{LEASE: "60"})
    if not is_over:
        with pytest.raises(Busy):
            fill(queue(server, deadline=0.1))
        assert run in server.runs
        return
    new, is_new = fill(queue(server))
    assert is_new
    assert set(server.runs) == {new}


def test_a_run_whose_ticket_cannot_be_written_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Runs()

    def fail(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(server, "set_tag", fail)
    with pytest.raises(OSError, match="gone"):
        fill(queue(server))
    assert server.runs == {}


def test_a_publisher_that_was_taken_for_dead_finishes_nothing() -> None:
    server = Runs()
    own = queue(server)
    with pytest.raises(ValueError, match="active"), own.turn("e", {}) as (run_id, _):
        server.delete_run(run_id)
    assert server.runs == {}


def test_a_run_has_the_times_of_its_record_and_is_given_up_by_the_time_of_publishing() -> None:
    """A record of last year must not look like a publisher that has been busy since last year."""
    server, year = Runs(), 365 * 86400 * 1000
    now = int(time.time() * 1000)
    with queue(server, "other host").turn("e", {}, Span(now - year, now - year + 5)) as (run_id, _):
        assert not queue(server)._is_given_up(server._shown(run_id))
        server.runs[run_id]["tags"][PUBLISHED] = f"{now - year}"
        assert queue(server)._is_given_up(server._shown(run_id))
    assert (server.runs[run_id]["start"], server.runs[run_id]["end"]) == (now - year, now - year + 5)


def test_the_earliest_finished_run_is_the_one_published_first() -> None:
    server = Runs()
    late, early = left(server, None, 90), left(server, None, 10)
    for run, published in ((late, "2000"), (early, "1000")):
        server.set_tag(run, PUBLISHED, published)
        server.set_terminated(run, "FINISHED")
    assert fill(queue(server)) == (early, False)


@pytest.mark.slow
def test_a_publisher_that_needs_longer_than_its_lease_keeps_its_run() -> None:
    server = Runs()
    slow = queue(server, "host")
    slow.lease = 2.0
    with slow.turn("e", {}) as (run_id, _):
        waiting = queue(server, "other host")
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            assert not waiting._is_given_up(server._shown(run_id))
            time.sleep(0.1)
    assert fill(waiting) == (run_id, False)


def test_a_run_that_nobody_renews_is_taken_over_when_its_lease_ends() -> None:
    server = Runs()
    run = left(server, replace(Publisher.here(), home="other host", token="other"), **{LEASE: "1.5"})
    began = time.monotonic()
    new, is_new = fill(queue(server))
    assert is_new
    assert run not in server.runs
    assert time.monotonic() - began > 1.4
    assert set(server.runs) == {new}


def test_what_a_waiting_publisher_left_is_deleted_although_another_has_finished() -> None:
    server = Runs()
    done, _ = fill(queue(server))
    left(server, replace(Publisher.here(), process=2**22 + 1, token="other"))
    assert fill(queue(server)) == (done, False)
    assert set(server.runs) == {done}


def test_a_request_that_the_server_got_twice_makes_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow sends a request again that a slow server has not answered in time."""
    server = Runs()
    create = server.create_run

    def twice(*given: Any) -> Any:
        create(*given)
        return create(*given)

    monkeypatch.setattr(server, "create_run", twice)
    run_id, is_new = fill(queue(server, deadline=2.0))
    assert is_new
    assert set(server.runs) == {run_id}


def test_a_publisher_that_waits_for_another_has_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Runs()
    second = queue(server, "other host", deadline=1.0)
    look = second._look
    found = [(None, [])]  # both begin before either has created a run
    monkeypatch.setattr(second, "_look", lambda: found.pop() if found else look())
    with queue(server, "host").turn("e", {}) as (run_id, _):
        with pytest.raises(Busy, match="is publishing this record"):
            fill(second)
        assert set(server.runs) == {run_id}
    assert fill(queue(server)) == (run_id, False)
