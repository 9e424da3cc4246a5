"""Compare the membership attacks by shadow filters on one pool, for several numbers of shadow filters.

    python benchmarks/membership_budgets.py [--experiments mail_federated,mail_example_dp] [--budgets 8,32,128]
                                            [--seeds 0,1,2] [--unmatched]

For each experiment and seed, the target is trained as the experiment says, and a pool of shadow filters as the target
was: with its noise, its rule and its optimizer. `--unmatched` trains shadow filters without noise, by Adam. A smaller
budget is the first filters of the same pool. `published` is online LiRA as in Carlini et al. (2022), in a plain loop:
each law has a variance of its own, of each record from 64 filters on. FedMIA (`fedmia`), which needs the clients'
updates and no shadow filters, stands beside them where the updates can be read. Prints, for each path and budget, the
AUROC and the true positive rates at 1 % and 0.1 % false positives: mean of the seeds, and in brackets the lowest and
the highest end of their 99 % intervals. The last column says in how many seeds the path breaks its positive control
`MarkedMails` with this budget: the lower end of its gain is at least 0.8. Controls are trained without noise, so an
experiment with noise has none.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import norm

from mail import SHARED
from veilbench.attack_methods.membership_report import measure_gains
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.experiment import build
from veilbench.bench.findings import Metric
from veilbench.bench.threat import ThreatModel
from veilbench.bench.verdict import CONFIDENCE
from veilbench.families.mail.attacks.membership.attack import MailMembership
from veilbench.families.mail.attacks.membership.game import MailGame
from veilbench.families.mail.attacks.membership.observers import BAVARIA, FEDMIA, LIRA, LIRA_OFFLINE, SHADOWED
from veilbench.families.mail.attacks.membership.updates import read_updates
from veilbench.families.mail.baselines.memorised_mails import MemorisedMails
from veilbench.families.mail.data.mail import Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.shadow_pool import ShadowPool, train_pool
from veilbench.families.mail.shadows import ShadowFilters
from veilbench.metrics.membership import auroc_interval, tpr_at_fpr
from veilbench.workflow.compose import composed, plain

CPU = Accelerator("cpu")
THREAT = ThreatModel(score_queries=True, auxiliary_data=True, weights=True, client_messages=True)
PUBLISHED = "published"  # online LiRA with two variances
PLANTED = (LIRA, PUBLISHED, LIRA_OFFLINE, BAVARIA)  # paths whose positive control is `MarkedMails`


@dataclass(frozen=True)
class Reached:
    """What one path reaches on one target.

    Attributes:
        numbers: AUROC, and the true positive rates at 1 % and 0.1 % false positives.
        passed: whether the path breaks its positive control; None if it was not attacked.
    """

    numbers: Sequence[Metric]
    passed: bool | None = None


def train_target(experiment: str, seed: int) -> tuple[Mails, MailFilter]:
    """Prepare the data and train the target, as the stages of the pipeline do."""
    config = plain(composed([f"experiment={experiment}"]))
    if "path" in config["data"]["source"]:
        config["data"]["source"]["path"] = str(SHARED / Path(config["data"]["source"]["path"]).name)
    data = build(config["data"] | {"seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        data.prepare(Path(folder))
        mails = data.load(Path(folder))
        seeds = np.random.SeedSequence(seed)
        target, _ = build(config["training"]).fit(build(config["model"]), mails, CPU, seeds, Path(folder))
    return mails, target


def grow_pool(game: MailGame, budgets: Sequence[int]) -> ShadowPool:
    """Train a pool whose first filters are a pool for each budget: every mail is in some of them, and not in others."""
    protocol, pools = game.training.protocol, list[ShadowPool]()
    for more in np.diff([0, *budgets]):
        filters = ShadowFilters(int(more)).trained_as(protocol, game.training.inverse_penalty)
        pools.append(train_pool(filters, protocol, game.data, game.rng))
    return ShadowPool(*(np.concatenate([getattr(pool, name) for pool in pools]) for name in ("confidences", "inside")))


def compare(game: MailGame, path: str, pool: ShadowPool) -> np.ndarray:
    """Score the mails in question on one path."""
    if path != PUBLISHED:
        return game.compare(path, pool)
    shadows, inside = pool.confidences[:, game.asked], pool.inside[:, game.asked]
    target = game.confidences[game.asked] + np.median(pool.confidences) - np.median(game.confidences)
    return score_published(target, shadows, inside)


def score_published(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the log ratio of two normal laws with two variances, shape (n,); arguments as those of `lira_online`."""
    sides = [
        [column[own == chosen] for column, own in zip(shadows.T, inside.T, strict=True)] for chosen in (True, False)
    ]
    widths = np.array([[side.std(ddof=1) for side in each] for each in sides])
    if len(shadows) < 64:  # one width for all records
        widths[:] = np.sqrt((widths**2).mean(1, keepdims=True))
    member, other = (
        norm.logpdf(target, [side.mean() for side in each], width) for each, width in zip(sides, widths, strict=True)
    )
    return np.asarray(member - other)


def measure(scores: np.ndarray, rng: np.random.Generator) -> list[Metric]:
    """Return the AUROC and both true positive rates of scores, members first."""
    members, others = np.split(scores, 2)
    rates = [tpr_at_fpr(members, others, rate, CONFIDENCE) for rate in (0.01, 0.001)]
    return [auroc_interval(members, others, rng, CONFIDENCE), *rates]


def attack_target(
    experiment: str, seed: int, budgets: Sequence[int], unmatched: bool
) -> dict[tuple[str, int], Reached]:
    """Attack one target by all paths and budgets."""
    mails, target = train_target(experiment, seed)
    attack, rng = MailMembership(THREAT, MemorisedMails()), np.random.default_rng(seed)
    game = attack.set_up(target, mails, CPU, rng).draw(attack.most, attack.records)
    plain_training = game.training.without_noise()
    planted = plant(attack, target, game) if plain_training == game.training else None
    pool = grow_pool(replace(game, training=plain_training) if unmatched else game, budgets)
    reached = {}
    for path in (PUBLISHED, *SHADOWED):
        for budget in budgets:
            found = measure(compare(game, path, pool.first(budget)), rng)
            passed = None
            if planted is not None and path in PLANTED:
                gains = measure_gains({path: compare(planted, path, pool.first(budget))}, rng)
                passed = gains.largest().low >= attack.broken_threshold
            reached[path, budget] = Reached(found, passed)
    if FEDMIA in attack.paths(target, mails):
        assert game.training.protocol is not None
        read = read_updates(game.training.protocol, mails, rng)
        reached[FEDMIA, 0] = Reached(measure(game.score_clients(FEDMIA, read).max(0), rng))
    return reached


def plant(attack: MailMembership, target: MailFilter, game: MailGame) -> MailGame:
    """Return the game of the control that only shadow filters can attack."""
    control = attack.plant_offset(target, game.data).scheme
    assert control is not None
    return replace(game, target=control.fit(game.data, game.rng))


def describe(metrics: Sequence[Metric], share: bool) -> str:
    """Format the mean of a number over seeds, with the lowest and the highest end of its intervals."""
    value, low, high = np.mean([m.value for m in metrics]), min(m.low for m in metrics), max(m.high for m in metrics)
    if share:
        return f"{100 * value:.1f} % [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Attack all experiments with all seeds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", default="mail_federated", help="experiments with mail filters")
    parser.add_argument("--budgets", default="8,32,128", help="increasing numbers of shadow filters")
    parser.add_argument("--seeds", default="0,1,2", help="seeds of data, training and attack")
    parser.add_argument("--unmatched", action="store_true", help="train the shadow filters without noise")
    options = parser.parse_args()
    budgets, seeds = ([int(number) for number in text.split(",")] for text in (options.budgets, options.seeds))
    print("| experiment | path | shadow filters | AUROC | at 1 % | at 0.1 % | control broken |")
    print("|---|---|---|---|---|---|---|")
    for experiment in options.experiments.split(","):
        found = [attack_target(experiment, seed, budgets, options.unmatched) for seed in seeds]
        for path, budget in found[0]:
            each = [by_path[path, budget] for by_path in found]
            cells = [describe(column, at > 0) for at, column in enumerate(zip(*(e.numbers for e in each), strict=True))]
            passed = "" if each[0].passed is None else f"{sum(bool(e.passed) for e in each)} of {len(each)}"
            print(f"| `{experiment}` | `{path}` | {budget} | {' | '.join(cells)} | {passed} |", flush=True)


if __name__ == "__main__":
    main()
