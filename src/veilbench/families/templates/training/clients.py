"""Training of clients that exchange hashmaps through a server, but never images or weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Training
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Curve, Figure, Findings, Metric
from veilbench.bench.limits import Steps
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.templates.modules.hashmap_clients import HashmapClients
from veilbench.families.templates.training.hashmap_exchange import HashmapServer, pack_message, unpack_message


class Clients(Training):
    """Trains in rounds: every client sends its hashmaps, then trains on its own images and the others' hashmaps.

    Args:
        rounds: number of rounds of the exchange.
        steps: optimizer steps of each client per round.
    """

    model_kind = HashmapClients

    def __init__(self, rounds: Steps = 10, steps: Steps = 10) -> None:
        self.rounds, self.steps = rounds, steps

    def fit(
        self, module: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Train on the CPU, because the clients' batches are small.

        Raises:
            UserError: a loss became infinite or NaN.
        """
        torch.set_num_threads(trainer.threads)
        clients, server = module.start(data, seeds), HashmapServer()
        findings, losses, started = Findings("Training"), list[float](), time.perf_counter()
        for number in range(self.rounds):
            for index, client in enumerate(clients):
                server.receive(index, message := pack_message(*client.encode_own()))
                findings.cost["bytes_up"] = len(message)
            client_losses = []
            for index, client in enumerate(clients):
                message = server.message_for(index)
                findings.cost["bytes_down"] = len(message)
                client_losses.append(client.learn(unpack_message(message)[0], self.steps))
            losses.append(float(np.mean(client_losses)))
            if not np.isfinite(losses[-1]):
                raise UserError(f"training diverged in round {number + 1}; lower the learning rate")
        findings.cost["training_seconds"] = time.perf_counter() - started
        curve = Curve("loss", list(range(1, self.rounds + 1)), losses)
        findings.figures.append(Figure("Training: loss", "rounds", "mean of the clients' losses", [curve]))
        findings.metrics = {"loss": Metric.exact(losses[-1]), "rounds": Metric.exact(self.rounds)}
        return module.trained_model(), findings
