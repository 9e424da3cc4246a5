"""Who attacks membership: what each observer sees of a filter, and the paths that this opens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from veilbench.bench.threat import ThreatModel
from veilbench.families.mail.attacks.word_leak.round_observer import Observation, Round, RoundObserver
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.federated.protocol import Protocol

CONFIDENCE, UNUSED_WORDS = "confidence", "unused_words"
LIRA, LIRA_OFFLINE, RMIA, BAVARIA = "lira", "lira_offline", "rmia", "bavaria"
ZERO_ROWS, OPTIMUM = "zero_rows", "optimum"
MOVED_ROWS, FEDMIA = "moved_rows", "fedmia"
SHADOWED = (LIRA, LIRA_OFFLINE, RMIA, BAVARIA)  # paths that use the pool of shadow filters
FEWEST_CLIENTS = 3  # one in question, and two others from which a variance follows
PROBED = 2_000  # values of the update by which it is found out what an aggregator can read
UNREADABLE = "not applicable by construction: no client's update can be read without the clients' keys"
NO_ROUNDS = "not applicable by construction: no client sends an update"
NO_OPTIMUM = "not applicable by construction: the filter is not fitted to convergence with a penalty"
NO_ROWS = "not applicable by construction: the filter has no row per word that starts from zero"


@dataclass(frozen=True)
class Observer:
    """An attacker, by what they can see of a filter.

    Attributes:
        name: name in findings and metrics.
        sees: what is seen, for the table of the findings.
        flag: flag of the threat model that grants it.
        paths: paths of the attack that it opens.
    """

    name: str
    sees: str
    flag: str
    paths: tuple[str, ...]


OBSERVERS = (
    Observer("queries", "scores of chosen mails", "score_queries", (CONFIDENCE, UNUSED_WORDS, *SHADOWED)),
    Observer("weights", "the weights of the trained filter", "weights", (ZERO_ROWS, OPTIMUM)),
    Observer("aggregator", "each client's update in each round", "client_messages", (MOVED_ROWS, FEDMIA)),
)


def explain_missing(threat: ThreatModel, target: SpamScorer, clients: int) -> dict[str, str]:
    """Return why each path is not used against a target; an empty text for a path that is.

    Args:
        threat: what the attacker has.
        target: attacked filter; its class and weights decide.
        clients: number of clients of its federation.
    """
    reasons = dict.fromkeys((path for observer in OBSERVERS for path in observer.paths), "")
    reasons |= _explain_weights(target)
    if threat.client_messages:
        reasons |= _explain_updates(target, clients)
    for observer in OBSERVERS:
        if not getattr(threat, observer.flag):
            reasons |= dict.fromkeys(observer.paths, f"the threat model does not grant {observer.flag}")
    return reasons


def _explain_weights(target: SpamScorer) -> dict[str, str]:
    """Return why the paths of who has the weights are not used."""
    if not _has_rows(target):
        return dict.fromkeys((ZERO_ROWS, OPTIMUM), NO_ROWS)
    fitted = isinstance(target, MailFilter) and target.inverse_penalty is not None
    return {} if fitted else {OPTIMUM: NO_OPTIMUM}


def _explain_updates(target: SpamScorer, clients: int) -> dict[str, str]:
    """Return why the paths of the aggregator are not used, by what it reads of a round."""
    if not isinstance(target, MailFilter) or target.protocol is None:
        return dict.fromkeys((MOVED_ROWS, FEDMIA), NO_ROUNDS)
    if not _has_rows(target):
        return dict.fromkeys((MOVED_ROWS, FEDMIA), NO_ROWS)
    seen = probe(target.protocol, clients)
    if all(message is None for message in seen.messages):
        return dict.fromkeys((MOVED_ROWS, FEDMIA), UNREADABLE)
    few = clients < FEWEST_CLIENTS or not seen.signed
    return {FEDMIA: f"it needs the values of the updates of {FEWEST_CLIENTS} clients"} if few else {}


def _has_rows(target: SpamScorer) -> bool:
    """Return whether a filter has one weight per word, which starts from zero."""
    return isinstance(target, MailFilter) and target.weights["embedding.weight"].shape[1] == 1


def probe(protocol: Protocol, clients: int) -> Observation:
    """Return what the aggregator reads in one round of updates that are drawn at random, mostly zeros as usual."""
    rng = np.random.default_rng(0)
    updates = rng.standard_normal((clients, PROBED)) * (rng.random((clients, PROBED)) < 0.1)
    simulated = Round(updates, np.full(clients, 1 / clients), PROBED, 1, np.zeros(clients))
    return RoundObserver(protocol.build_aggregation(), clients, np.random.SeedSequence(0)).observe(simulated)
