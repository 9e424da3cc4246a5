"""Federated averaging of an encoder, with the training identities split among clients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Training
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.templates.data.identities import Identities, ImageIdentities
from veilbench.families.templates.modules.hashmap import Hashmap
from veilbench.training.federated import Federated


@dataclass(frozen=True)
class DealtIdentities(ImageIdentities):
    """Identities, together with the client that each training row belongs to.

    Attributes:
        clients: client of each training row, shape (rows,), int64.
    """

    clients: np.ndarray


class FederatedIdentities(Training):
    """Splits identities among clients and trains with `Federated`. The module's training rows must be identity numbers.

    Args:
        federated: federated training that combines the clients' updates.
        clients: number of clients that the identities are dealt to.
    """

    model_kind = Hashmap

    def __init__(self, federated: Federated, clients: Count = 6) -> None:
        self.federated, self.clients = federated, clients

    def fit(
        self, module: Hashmap, data: Identities, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Split the identities and run `Federated.fit`.

        Raises:
            UserError: fewer identities than clients.
        """
        split_seed, training_seed = seeds.spawn(2)
        people = len(np.unique(data.train.identities))
        if self.clients > people:
            raise UserError(f"clients={self.clients} is more than the {people} training identities")
        clients = np.random.default_rng(split_seed).permutation(np.arange(people) % self.clients)
        if module.mirrored:
            clients = np.tile(clients, 2)  # a mirrored print belongs to the same client as the print
        split_data = DealtIdentities(**vars(data), clients=clients)
        return self.federated.fit(module, split_data, trainer, training_seed, folder)

    def forget(self) -> None:
        """Delete the federated training's saved progress."""
        self.federated.forget()
