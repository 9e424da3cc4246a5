"""Show whose update Krum selects in each round of a poisoned federation.

    python benchmarks/krum_choice.py [--rounds 10] [--seeds 0,1,2] [--deals equal,dirichlet]

Ten clients of `mail_small`, two of them malicious, and Krum that expects two, as in `poisoning.py`. The malicious
clients send the mean of their updates with the trigger moved by 0.85 of the norm of the deviations (`centre`), or go on
with the trigger alone if Krum does not select this (`colluding`). Prints a Markdown row for each seed: in how many
rounds an update of the malicious clients was selected; of the honest clients that were, the number of mails; and, in
the first round, the norm of the shortest honest update and the median one, the norm of what the malicious clients sent,
and their score in Krum relative to the lowest honest one. Below 1 they are selected.
"""

from __future__ import annotations

import argparse
from itertools import pairwise, product

import numpy as np

from poisoning import DEALS, RULES, Case
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.poison.attack import MailPoison
from veilbench.families.mail.attacks.poison.federation import AttackedFederation, RogueClients, Weights
from veilbench.families.mail.attacks.poison.rogues.base import Rogue
from veilbench.families.mail.attacks.poison.rogues.colluding import Colluding
from veilbench.families.mail.attacks.poison.rogues.little_is_enough import LittleIsEnough
from veilbench.families.mail.local_round import ORDER
from veilbench.federated.flat import flatten
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.federated.rules import krum_scores

MALICIOUS = 2
BEHAVIOURS: dict[str, Rogue] = {"centre": LittleIsEnough(z=Colluding.scale), "colluding": Colluding()}


def set_up(case: Case) -> AttackedFederation:
    """Return the federation of one seed, in which Krum combines the updates."""
    case.target.protocol = Protocol(describe_aggregation(RULES["krum_2"]))
    attack = MailPoison(ThreatModel(rogue_clients=True), case.target, rogue=RogueClients(MALICIOUS))
    return attack.set_up(case.target, case.mails, np.random.default_rng(case.seed), batches=case.batches)


def move(before: Weights, after: Weights) -> np.ndarray:
    """Return how far the shared weights moved in a round, shape (size,)."""
    names = ORDER[: len(before)]
    return flatten([after[name] for name in names]) - flatten([before[name] for name in names])


def find_selected(federation: AttackedFederation, moved: np.ndarray, weights: Weights, number: int) -> int:
    """Return the client whose update is the move of the weights; 0 for all malicious ones.

    Only these move the trigger. Once it is learned, nothing of it is left to move, and they send their updates' mean.
    """
    if moved[federation.trigger.rows].any():
        return 0
    updates = np.stack([federation.train_client(weights, batch, number) for batch in federation.batches])
    candidates = np.concatenate([updates[:MALICIOUS].mean(0, keepdims=True), updates[MALICIOUS:]])
    nearest = int(np.linalg.norm(candidates - moved, axis=1).argmin())
    return MALICIOUS - 1 + nearest if nearest else 0


def describe(case: Case, behaviour: str, rounds: int) -> str:
    """Run the rounds and format what Krum selected."""
    federation = set_up(case)
    passed = [case.target.weights, *federation.run(BEHAVIOURS[behaviour], rounds)]
    moves = [move(*pair) for pair in pairwise(passed)]
    chosen = [find_selected(federation, each, passed[n], n) for n, each in enumerate(moves)]
    mails = sorted({len(federation.batches[client].labels) for client in chosen if client})
    sent, honest = federation.craft_first(BEHAVIOURS[behaviour]), federation.first.honest[MALICIOUS:]
    scores = krum_scores(np.concatenate([sent, honest]), MALICIOUS)
    norms = np.linalg.norm(honest, axis=1)
    lengths = f"{norms.min():.2f}; {np.median(norms):.2f}; {np.linalg.norm(sent[0]):.2f}"
    cells = [f"{chosen.count(0)} of {rounds}", ", ".join(map(str, mails)) or "none", lengths]
    return " | ".join([*cells, f"{scores[0] / scores[MALICIOUS:].min():.2f}"])


def main() -> None:
    """Run both behaviours with all seeds and deals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10, help="attacked rounds")
    parser.add_argument("--seeds", default="0,1,2", help="seeds of data, filter and attack")
    parser.add_argument("--deals", default=",".join(DEALS), help="how the mails are dealt: equal, dirichlet")
    options = parser.parse_args()
    print("| clients | seed | behaviour | malicious selected | mails of the others selected | norms | score |")
    print("|---|---|---|---|---|---|---|")
    for deal, seed in product(options.deals.split(","), options.seeds.split(",")):
        case = Case.draw(DEALS[deal], 290, 128, False, int(seed))
        for behaviour in BEHAVIOURS:
            print(f"| {deal} | {seed} | `{behaviour}` | {describe(case, behaviour, options.rounds)} |", flush=True)


if __name__ == "__main__":
    main()
