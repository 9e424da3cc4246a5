"""Federated averaging of an encoder: the training identities are dealt among clients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Training
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count
from veilbench.bench.subject import Subject
from veilbench.families.templates.data.identities import Identities
from veilbench.families.templates.modules.hashmap import Hashmap
from veilbench.training.federated import Federated


@dataclass(frozen=True)
class DealtIdentities(Identities):
    """Identities, and the client that each row of a module's training data belongs to.

    Attributes:
        clients: shape (rows,), int64.
    """

    clients: np.ndarray


class FederatedIdentities(Training):
    """Deals identities, and lets `Federated` train. The module's training rows must be numbers of identities.

    Args:
        federated: how the clients' updates come together.
        clients: how many.
    """

    model_kind = Hashmap

    def __init__(self, federated: Federated, clients: Count = 6) -> None:
        self.federated, self.clients = federated, clients

    def fit(
        self, module: Hashmap, data: Identities, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[Subject, Findings]:
        """See `Federated.fit`.

        Raises:
            UserError: fewer identities than clients.
        """
        deal, training = seeds.spawn(2)
        people = len(np.unique(data.train.identities))
        if self.clients > people:
            raise UserError(f"clients={self.clients} is more than the {people} training identities")
        clients = np.random.default_rng(deal).permutation(np.arange(people) % self.clients)
        if module.mirrored:
            clients = np.tile(clients, 2)  # a mirrored print lies where the print lies
        dealt = DealtIdentities(**vars(data), clients=clients)
        return self.federated.fit(module, dealt, trainer, training, folder)

    def forget(self) -> None:
        """See `Federated.forget`."""
        self.federated.forget()
