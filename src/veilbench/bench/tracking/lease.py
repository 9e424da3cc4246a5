"""Keeps a publisher's claim on a run alive, and tells when a claim has expired.

A claim is the tags of a run: who publishes it, since when, the last sign of life, and for how long that sign counts.
The publisher renews it from a thread, because uploading one large file may take longer than a lease.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from veilbench.bench.heartbeat import keep_alive
from veilbench.bench.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

PUBLISHED = "veilbench.published"  # when the publisher created the run, in ms since 1970; its start is the record's
ALIVE = "veilbench.alive"  # the publisher's last sign of life, in ms since 1970
LEASE = "veilbench.lease"  # seconds without a sign of life after which the run counts as abandoned
DEFAULT_LEASE = 10.0  # minutes; long, because the clocks of hosts differ


def claim_tags(lease: float) -> dict[str, str]:
    """Return the tags of a new claim.

    Args:
        lease: seconds without a sign of life after which others may take over.
    """
    return {PUBLISHED: _now(), LEASE: f"{lease:g}"}


def renewing(store: Store, run_id: str, lease: float) -> AbstractContextManager[None]:
    """Renew the claim on a run within a `with` block.

    Args:
        store: the store that holds the run.
        run_id: id of the claimed run.
        lease: seconds without a sign of life after which others may take over.
    """
    return keep_alive(lambda: store.client.set_tag(run_id, ALIVE, _now()), lease)


def expires(run: Run) -> float:
    """Return when the claim on a run expires, in seconds since 1970."""
    lease = run.data.tags.get(LEASE, f"{DEFAULT_LEASE * 60}")  # earlier versions wrote none
    sign = run.data.tags.get(ALIVE, "")
    return (float(sign) if sign.isdecimal() else published(run)) / 1000 + float(lease)


def published(run: Run) -> float:
    """Return when a run was created, in milliseconds since 1970."""
    tag = run.data.tags.get(PUBLISHED, "")
    return float(tag) if tag.isdecimal() else float(run.info.start_time)  # of an earlier version


def _now() -> str:
    return f"{time.time() * 1000:.0f}"
