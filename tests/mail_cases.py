"""What the tests of attacks on mail filters share."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from veilbench.families.mail.data.clients import EqualClients
from veilbench.families.mail.data.corpus.mail_corpus import MailCorpus
from veilbench.families.mail.data.mail import MailData, Mails
from veilbench.families.mail.data.tokeniser import Tokeniser
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.federated.aggregations.base import Aggregation
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.protocol import Protocol, describe_aggregation


def mails(
    folder: Path, count: int = 900, clients: int = 3, vocabulary: Literal["hashed", "clients"] = "hashed"
) -> Mails:
    corpus = MailCorpus(mails=count, tail=500, names=200, numbers=200, senders=30)
    data = MailData(corpus, Tokeniser(vocabulary, most_words=4_000), EqualClients(clients), split=(0.4, 0.1, 0.1, 0.4))
    data.prepare(folder)
    return data.load(folder)


def untrained(data: Mails, aggregation: Aggregation | None = None, **settings: object) -> MailFilter:
    """A filter of zeros with a protocol."""
    size = data.vocabulary.size
    zeros = {"embedding.weight": np.zeros((size, 1), np.float32), "bias.weight": np.zeros((1, 1), np.float32)}
    protocol = Protocol(describe_aggregation(aggregation or Plain()), **settings)  # type: ignore[arg-type]
    return MailFilter(zeros, data.vocabulary, data.train.tokens.shape[1], protocol)
