"""Repeat the audit of a mechanism whose epsilon is known exactly, and count how often its interval misses it.

    python benchmarks/audit_coverage.py [--seeds 100] [--canaries 600] [--noise 1]

The mechanism is `client_local_dp` on `mail_small`: without sampling it spends exactly what two Gaussians do (Balle and
Wang 2018). Prints the mean of `epsilon_audited`, the range of its ends, and how many of its intervals, each end of
which has 95 % confidence, lie above and below the exact epsilon and above the Renyi claim.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from mail import prepare_data
from veilbench.families.mail.attacks.canaries.audit import Claim
from veilbench.federated.aggregations.client_local_dp import ClientLocalDp
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.metrics.gaussian_audit import gaussian_mechanism_epsilon


def main() -> None:
    """Audit with all seeds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--canaries", type=int, default=600, help="canary clients of each audit")
    parser.add_argument("--noise", type=float, default=1.0, help="noise multiplier")
    options = parser.parse_args()
    data, aggregation = prepare_data("mail_small", 0), ClientLocalDp(noise_multiplier=options.noise)
    protocol = Protocol(describe_aggregation(aggregation))
    claim = Claim.of(protocol, data)
    assert claim is not None
    spent = gaussian_mechanism_epsilon(math.sqrt(protocol.rounds) / claim.releases.noise_multiplier, claim.delta)
    started = time.process_time()
    found = [
        claim.audit(protocol, data, options.canaries, np.random.default_rng(seed)) for seed in range(options.seeds)
    ]
    seconds = (time.process_time() - started) / options.seeds
    value, low, high = (
        np.array([getattr(f["epsilon_audited"], end) for f in found]) for end in ("value", "low", "high")
    )
    claimed = found[0]["epsilon_claimed"].value
    print(f"exact epsilon {spent:.2f}, claimed {claimed:.2f}, audited {value.mean():.2f} on average")
    print(f"ends from {low.min():.2f} to {high.max():.2f}; {seconds:.2f} CPU seconds an audit")
    print(
        f"of {options.seeds} intervals {(low > spent).sum()} above the exact epsilon, {(high < spent).sum()} below it,"
    )
    print(f"{(low > claimed).sum()} above the claim")


if __name__ == "__main__":
    main()
