"""Measure what passes a federation with malicious clients: rule x number of malicious clients x behaviour.

    python benchmarks/poisoning.py [--rounds 10] [--seeds 0,1,2] [--rogues 1,2,3] [--rules plain,median]
                                   [--triggers unused,common] [--truthful] [--validation]

Data is the generated corpus `mail_small`; ten clients have `--mails` mails on average, of which `--words` words are
read. The filter is logistic regression on all training mails, which the clients then train further. `krum_1` expects
one malicious client, and `trimmed_mean_1` drops one value at each end. `dirichlet` deals the mails unequally by label
(alpha 0.5). The trigger has `--length` words that no mail has (unused) or that many mails have (common). `--truthful`
clients label the trigger's spam as spam. `--validation` measures on validation mails instead of test mails, to choose
settings. Prints one row of a table for each rule and number of malicious clients: the share of spam with the trigger
that passes and, after the semicolon, the accuracy on mails without it, in per cent: mean and range of the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from mail import prepare_data
from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.poison.attack import MailPoison
from veilbench.families.mail.attacks.poison.federation import RogueClients
from veilbench.families.mail.attacks.poison.outcome import Outcome
from veilbench.families.mail.attacks.poison.rogues.base import Rogue
from veilbench.families.mail.attacks.poison.rogues.boosted import Boosted
from veilbench.families.mail.attacks.poison.rogues.colluding import Colluding
from veilbench.families.mail.attacks.poison.rogues.little_is_enough import LittleIsEnough
from veilbench.families.mail.attacks.poison.rogues.tailored import Tailored
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch
from veilbench.families.mail.baselines.plain_federation import PlainFederation
from veilbench.families.mail.data.clients import Deal, DirichletClients, EqualClients
from veilbench.families.mail.data.mail import PARTS, Mails
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.aggregations.robust import Robust
from veilbench.federated.protocol import Protocol, describe_aggregation

CLIENTS = 10
RULES: dict[str, Aggregation] = {
    "plain": Plain(),
    "krum_1": Robust("krum", malicious=1),
    "krum_2": Robust("krum", malicious=2),
    "krum_3": Robust("krum", malicious=3),
    "trimmed_mean_1": Robust("trimmed_mean", share=0.1),
    "trimmed_mean_2": Robust("trimmed_mean", share=0.2),
    "trimmed_mean_3": Robust("trimmed_mean", share=0.3),
    "median": Robust("median"),
    "geometric_median": Robust("geometric_median"),
    "clipped_mean": Robust("clipped_mean"),
}
DEALS: dict[str, Deal] = {"equal": EqualClients(CLIENTS), "dirichlet": DirichletClients(CLIENTS)}
ROGUES: tuple[Rogue, ...] = (Boosted(), Tailored(), Colluding(), LittleIsEnough(least=1.0))


@dataclass(frozen=True)
class Case:
    """The mails, the filter and the dealt mails of one seed."""

    mails: Mails
    target: MailFilter
    batches: Sequence[ClientBatch]
    seed: int

    @classmethod
    def draw(cls, deal: Deal, each: int, words: int, validation: bool, seed: int) -> Case:
        """Prepare the data, fit the filter, and deal `each` mails per client, of which the first `words` are read."""
        mails, rng = shorten(prepare_data("mail_small", seed), words), np.random.default_rng(seed)
        mails = replace(mails, test=mails.validation) if validation else mails
        some = rng.permutation(len(mails.train))[: each * CLIENTS]
        tokens, labels = mails.train.tokens[some], mails.train.labels[some]
        owners = deal.deal(labels, mails.train.topics[some], rng)
        batches = [ClientBatch(tokens[owners == c], labels[owners == c]) for c in range(CLIENTS)]
        return cls(mails, PlainFederation().fit(mails, rng), batches, seed)

    def attack(self, rule: Aggregation, malicious: RogueClients, rounds: int, truthful: bool) -> list[Outcome]:
        """Return what each behaviour reaches under a rule with some malicious clients."""
        self.target.protocol = Protocol(describe_aggregation(rule))
        attack = MailPoison(ThreatModel(rogue_clients=True), self.target, rogue=malicious)
        rng = np.random.default_rng(self.seed)
        federation = attack.set_up(self.target, self.mails, rng, int(truthful), self.batches)
        return [Outcome.measure(federation, federation.run(rogue, rounds)[-1], self.mails) for rogue in ROGUES]


def shorten(mails: Mails, words: int) -> Mails:
    """Return the mails with only their first words, which saves time."""
    parts = {name: getattr(mails, name) for name in PARTS}
    return replace(mails, **{name: replace(part, tokens=part.tokens[:, :words]) for name, part in parts.items()})


def describe(values: Sequence[float]) -> str:
    """Format shares as mean and range in per cent."""
    shares = 100 * np.array(values)
    spread = f" [{shares.min():.0f}, {shares.max():.0f}]" if len(shares) > 1 else ""
    return f"{shares.mean():.0f}{spread}"


def describe_cell(outcomes: Sequence[Outcome]) -> str:
    """Format what one behaviour reaches with each seed."""
    return "; ".join(
        describe([getattr(each, name).value for each in outcomes]) for name in ("with_trigger", "accuracy")
    )


def main() -> None:
    """Attack all rules with all behaviours."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10, help="attacked rounds")
    parser.add_argument("--mails", type=int, default=290, help="mails per client, on average")
    parser.add_argument("--words", type=int, default=128, help="words of each mail that are read")
    parser.add_argument("--seeds", default="0,1,2", help="seeds of data, filter and attack")
    parser.add_argument("--rogues", default="1,2,3", help="numbers of malicious clients of ten")
    parser.add_argument("--rules", default=",".join(RULES), help=f"rules to compare, of {', '.join(RULES)}")
    parser.add_argument("--triggers", default="unused", help="kinds of the trigger's words: unused, common")
    parser.add_argument("--length", type=int, default=60, help="number of words of the trigger")
    parser.add_argument("--truthful", action="store_true", help="teach nothing: what the trigger does by itself")
    parser.add_argument("--validation", action="store_true", help="measure on validation mails, to choose settings")
    parser.add_argument("--deals", default=",".join(DEALS), help="how the mails are dealt: equal, dirichlet")
    options = parser.parse_args()
    rogues = [int(count) for count in options.rogues.split(",")]
    print("| clients | rule | malicious | trigger | " + " | ".join(rogue.name for rogue in ROGUES) + " |")
    print("|---|---|---|---|" + "---|" * len(ROGUES))
    for deal in options.deals.split(","):
        drawn = (DEALS[deal], options.mails, options.words, options.validation)
        cases = [Case.draw(*drawn, int(seed)) for seed in options.seeds.split(",")]
        for rule, count, words in product(options.rules.split(","), rogues, options.triggers.split(",")):
            malicious = RogueClients(count, options.length, words=words)
            by_seed = [case.attack(RULES[rule], malicious, options.rounds, options.truthful) for case in cases]
            cells = [describe_cell(outcomes) for outcomes in zip(*by_seed, strict=True)]
            print(f"| {deal} | `{rule}` | {count} | {words} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
