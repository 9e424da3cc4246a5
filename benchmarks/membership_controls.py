"""Measure LiRA's positive controls, `MarkedRows` and `MarkedMails`, for several offsets on fresh seeds.

    python benchmarks/membership_controls.py [--rows 1.75,2] [--mails 1.1,1.2] [--first 100] [--seeds 10]

For each seed, small data is generated and attacked anew: 120 rows of very different spread, or 360 mails, for training
and as many for the test. LiRA must break the control: the lower end of the gain's 99 % interval must reach 0.8. A
threshold on the loss or the confidence must not: the upper end must stay below 0.8. Prints for each offset how many
seeds fulfil both, the lowest lower end of LiRA and the highest upper end of the threshold.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from veilbench.attack_methods.membership_attack import LIRA, MembershipAttack
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.threat import ThreatModel
from veilbench.families.autoencoders.attacks.membership import Membership
from veilbench.families.autoencoders.baselines.memorised import Memorised
from veilbench.families.autoencoders.data.rows import Part, Rows
from veilbench.families.autoencoders.shadow_models import ShadowModels
from veilbench.families.mail.attacks.membership.attack import MailMembership
from veilbench.families.mail.baselines.memorised_mails import MemorisedMails
from veilbench.families.mail.data.clients import EqualClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails
from veilbench.families.mail.data.tokeniser import Tokeniser

CPU, THREAT = Accelerator("cpu"), ThreatModel(score_queries=True, auxiliary_data=True)
SHADOWS = ShadowModels(code=4)
CORPUS = MailCorpus(mails=900, tail=500, names=200, numbers=200, senders=30)


def generate_rows(seed: int) -> Rows:
    """Generate rows of ten columns, whose standard deviations differ from row to row."""
    rng = np.random.default_rng(seed)

    def part(n: int) -> Part:
        x = rng.standard_normal((n, 10)) * np.exp(rng.standard_normal(n))[:, None]
        return Part(x.astype(np.float32), np.zeros(n, np.int64))

    return Rows(part(120), part(30), part(240), part(120), [], ["row"], False, [])


def generate_mails(seed: int) -> Mails:
    """Generate mails of a small corpus."""
    source = MailData(CORPUS, Tokeniser("hashed", most_words=4_000), EqualClients(3), (0.4, 0.1, 0.1, 0.4), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        source.prepare(Path(folder))
        return source.load(Path(folder))


def attack_control(
    attack: MembershipAttack[Any, Any, Any], target: Any, data: Any, offset: float, seed: int
) -> tuple[float, float]:
    """Return the lower end of LiRA's gain on its positive control, and the upper end of the threshold's."""
    rng, control = np.random.default_rng(seed), attack.plant_offset(target, data).scheme
    assert control is not None
    control.offset = offset
    game = attack.set_up(control.fit(data, rng), data, CPU, rng)
    reached, simple = (attack.distinguish(game, [path]).findings.gain for path in (LIRA, attack.threshold))
    assert reached is not None
    assert simple is not None
    return reached.low, simple.high


def main() -> None:
    """Attack both controls with all offsets and seeds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="1.75", help="offsets of MarkedRows, such as 1.75,2; empty for none")
    parser.add_argument("--mails", default="1.1", help="offsets of MarkedMails; empty for none")
    parser.add_argument("--first", type=int, default=100, help="first seed; the tests use smaller ones")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases: list[tuple[str, str, MembershipAttack[Any, Any, Any], Any, Any]] = [
        ("MarkedRows", options.rows, Membership(THREAT, Memorised(), shadows=SHADOWS), Memorised(), generate_rows),
        ("MarkedMails", options.mails, MailMembership(THREAT, MemorisedMails()), MemorisedMails(), generate_mails),
    ]
    for name, offsets, attack, target, generate in cases:
        for offset in map(float, filter(None, offsets.split(","))):
            seeds = range(options.first, options.first + options.seeds)
            ends = [attack_control(attack, target, generate(seed), offset, seed) for seed in seeds]
            good = sum(low >= attack.broken_threshold > high for low, high in ends)
            low, high = min(low for low, _ in ends), max(high for _, high in ends)
            print(
                f"{name} {offset:g}: {good} of {len(ends)}; LiRA from {low:.2f}, threshold up to {high:.2f}", flush=True
            )


if __name__ == "__main__":
    main()
