"""Membership by the updates of a federation's rounds, as the aggregator reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from veilbench.families.mail.attacks.membership.words import score_words
from veilbench.families.mail.attacks.word_leak.clients import ClientBatch, simulate_round
from veilbench.families.mail.attacks.word_leak.round_observer import RoundObserver
from veilbench.families.mail.data.mail import MailPart, Mails
from veilbench.families.mail.data.word_counts import word_counts
from veilbench.families.mail.local_round import apply_update
from veilbench.federated.protocol import Protocol

SMALLEST = 1e-12  # smallest variance, and smallest norm of an update


@dataclass(frozen=True)
class ReadUpdates:
    """What the aggregator reads in all rounds.

    Attributes:
        values: updates of the words' weights and of the bias, shape (rounds, clients, words + 1); zeros for a message
            that cannot be read.
        sizes: number of mails of each client, shape (clients,).
    """

    values: np.ndarray
    sizes: np.ndarray


def read_updates(protocol: Protocol, data: Mails, rng: np.random.Generator) -> ReadUpdates:
    """Train a filter with one weight per word from zero, with the target's clients and rounds, and read all messages.

    Args:
        protocol: public settings of the federation.
        data: prepared mails, dealt to the clients.
        rng: source of the training and of the noise.
    """
    owners = [data.clients == client for client in range(int(data.clients.max()) + 1)]
    batches = [ClientBatch(data.train.tokens[own], data.train.labels[own]) for own in owners]
    size = data.vocabulary.size
    weights = {"embedding.weight": np.zeros((size, 1), np.float32), "bias.weight": np.zeros((1, 1), np.float32)}
    seeds, silent = np.random.SeedSequence(int(rng.integers(2**62))), np.zeros(len(batches))
    observer, rounds = RoundObserver(protocol.build_aggregation(), len(batches), seeds), []
    for _ in range(protocol.rounds):
        observed = observer.observe(simulate_round(weights, protocol, batches, rng, silent))
        rounds.append([np.zeros(size + 1) if message is None else message for message in observed.messages])
        weights = apply_update(weights, observed.mean)
    return ReadUpdates(np.array(rounds), np.array([len(batch.labels) for batch in batches]))


def score_moved_rows(read: ReadUpdates, mails: MailPart, known: np.ndarray) -> np.ndarray:
    """Score whether a mail is each client's by the words that the client's updates moved, shape (clients, n).

    Args:
        read: updates that the aggregator reads.
        mails: members and other mails to be scored.
        known: word numbers of other mails that the attacker has, shape (m, length).
    """
    moved = (read.values[:, :, :-1] != 0).any(0)
    pairs = zip(moved, read.sizes, strict=True)
    return np.stack([score_words(mails.tokens, rows, known, int(size)) for rows, size in pairs])


def score_fedmia(read: ReadUpdates, mails: MailPart) -> np.ndarray:
    """Score whether a mail is each client's by FedMIA-II (Zhu et al. 2024, arXiv:2402.06289), shape (clients, n).

    In each round a client's update is compared with the mail's gradient by their cosine. The cosines of the other
    clients, who do not have the mail, are the shadows: their mean, and a variance that all mails share, give a normal
    law. The score is the log probability of a smaller cosine, summed over the rounds.

    Args:
        read: updates that the aggregator reads, of at least three clients.
        mails: members and other mails to be scored.
    """
    cosines = measure_cosines(read, mails)
    others = (cosines.sum(1, keepdims=True) - cosines) / (cosines.shape[1] - 1)
    scores = np.empty(cosines.shape[1:])
    for client in range(len(scores)):
        rest = np.delete(cosines, client, axis=1)
        variance = rest.var(1, ddof=1).mean(1, keepdims=True) + SMALLEST
        scores[client] = log_ndtr((cosines[:, client] - others[:, client]) / np.sqrt(variance)).sum(0)
    return scores


def measure_cosines(read: ReadUpdates, mails: MailPart) -> np.ndarray:
    """Return the cosine of each update with each mail's negative gradient, shape (rounds, clients, n).

    The gradient of a logistic regression is the mail's word counts, and 1 for the bias, times a number of the sign of
    its label: its size cancels in the cosine.
    """
    from scipy.sparse import csr_matrix, hstack

    rounds, clients, size = read.values.shape
    counts = hstack([word_counts(mails.tokens, size - 1), csr_matrix(np.ones((len(mails), 1)))], "csr")
    lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(1)).ravel()) * (2 * mails.labels - 1)
    updates = read.values.reshape(-1, size)
    scaled = updates / np.maximum(np.linalg.norm(updates, axis=1, keepdims=True), SMALLEST)
    return np.asarray((counts @ scaled.T).T / lengths).reshape(rounds, clients, len(mails))
