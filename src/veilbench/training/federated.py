"""Federated training simulated in one process: clients run in turn and exchange only serialized messages."""

from __future__ import annotations

import hashlib
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Trainable, Training
from veilbench.bench.errors import UserError
from veilbench.bench.file_lock import lock_file
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, NotNegative, Positive, PositiveShare, Steps
from veilbench.bench.trained_model import TrainedModel
from veilbench.federated.aggregations.base import Aggregation, Client
from veilbench.federated.aggregations.plain import Plain
from veilbench.federated.descent import descend
from veilbench.federated.flat import flatten, unflatten
from veilbench.federated.message_validator import MessageValidator, RoundPolicy
from veilbench.federated.private_steps import descend_privately
from veilbench.federated.protocol import Protocol, describe_aggregation
from veilbench.federated.round_state import RoundState
from veilbench.training.epoch_batches import EpochBatches
from veilbench.training.round_history import record, record_privacy

NEXT_CLIENT = 7_368_787  # step between two clients' shuffling seeds; client 0 has the order of central training


class FederatedModel(Trainable):
    """A LightningModule that clients of a federation can train.

    Attributes:
        examples_apart: whether the loss is a mean of per-example losses, each of which depends on its own example only,
            so that per-example gradients are defined. Batch normalisation, for example, violates this.
    """

    examples_apart: ClassVar[bool] = False

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Compute metrics on validation data, for the learning curves."""

    def optimizer_settings(self) -> dict[str, Any]:
        """Return the clients' optimizer settings as keyword arguments of `Protocol`; empty for its defaults."""
        return {}

    def federated_model(self, protocol: Protocol) -> TrainedModel:
        """Return the trained model. Override this to store the protocol with models whose attacks simulate rounds."""
        return self.trained_model()


class Federated(Training):
    """Rounds of local training and averaging (McMahan et al. 2017).

    A client's optimizer state is reset in every round. A client's weight is its share of all training rows. Messages
    that violate the `RoundPolicy` are dropped from their round and reported in the notes with the client's number.

    Args:
        aggregation: protocol by which updates are protected and averaged; None is plain federated averaging.
        rounds: number of rounds of local training and averaging.
        local_epochs: epochs that each client trains per round.
        batch_size: rows per optimizer step.
        fraction: share of the clients sampled in each round, in (0, 1]; at least one client takes part.
        proximal: mu of FedProx (Li et al. 2020), the strength of the pull towards the weights at the start
            of the round; 0 is federated averaging.
        deadline: seconds a client has for its part of a round; later messages are dropped. None waits indefinitely.
        largest_norm: maximum Euclidean norm of an update and of the mean; None allows any.
        least_clients: minimum number of accepted messages for a round to change the weights.
        state: checkpoint file from which an interrupted training resumes. It is written at the beginning of every
            round, and removed once the record is written. Only one training at a time may use it. None keeps no
            checkpoint. Without noise a resumed run is bit-identical to an uninterrupted one. Keys and noise are redrawn
            on resume, so that no noise is used twice, and epsilon counts the interrupted round, whose messages may have
            been sent.
    """

    model_kind = FederatedModel
    data_needs = ("clients",)
    provides = ("protocol",)

    def __init__(
        self,
        aggregation: Aggregation | None = None,
        rounds: Steps = 3,
        local_epochs: Steps = 1,
        batch_size: Count = 128,
        fraction: PositiveShare = 1.0,
        proximal: NotNegative = 0.0,
        deadline: Positive | None = None,
        largest_norm: Positive | None = None,
        least_clients: Count = 1,
        state: str | None = None,
    ) -> None:
        self.aggregation, self.rounds, self.local_epochs = aggregation or Plain(), rounds, local_epochs
        self.batch_size, self.fraction, self.proximal = batch_size, fraction, proximal
        self.policy = RoundPolicy(deadline, largest_norm, least_clients)
        self.state = None if state is None else Path(state)

    def fit(
        self, module: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Train the module and write `weights.safetensors` to `folder`.

        Raises:
            UserError: no client sent a usable update in some round, too few clients answered for secure aggregation,
                no weight changed, the state file belongs to another training, or another training is using it.
        """
        with self._lock_state():
            return self._fit(module, data, trainer, seeds, folder)

    def forget(self) -> None:
        """Remove the state file; called once the record is written."""
        if self.state:
            self.state.unlink(missing_ok=True)

    def _lock_state(self) -> AbstractContextManager[object]:
        """Lock the state file, so that no other training uses it."""
        if self.state is None:
            return nullcontext()
        try:
            self.state.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write training.state={self.state}: {error.strerror}") from error
        return lock_file(self.state, wait=0)

    def _fit(
        self, module: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        key, order, noise, draw = seeds.spawn(4)
        rows, device = module.start(data, key), trainer.device()
        module.to(device)
        client_rows = [rows[torch.from_numpy(data.clients == c)].to(device) for c in range(int(data.clients.max()) + 1)]
        seed, first = int(order.generate_state(1)[0]), get_weights(module)
        findings, fingerprint = Findings("Training"), self._fingerprint(seed, rows, first)
        saved = RoundState.load(self.state, fingerprint) if self.state else None
        if saved and saved.rounds >= self.rounds:
            reason = f"is after {saved.rounds} rounds; raise training.rounds, or remove it to start over"
            raise UserError(f"training.rounds={self.rounds} is not allowed: training.state={self.state} {reason}")
        start = saved or RoundState(fingerprint, 0, 0, first, [], [], [])
        set_weights(module, start.weights)
        findings.notes += start.notes
        history = list(start.history)
        noise_seeds = np.random.SeedSequence(noise.entropy, spawn_key=(*noise.spawn_key, start.begun))
        clients, aggregator = self.aggregation.setup(len(client_rows), noise_seeds)
        shares = [len(part) / len(rows) for part in client_rows]
        validator = MessageValidator(aggregator, self.policy, sum(map(np.size, first)), shares, set(start.seen))
        repeated = start.begun - start.rounds
        for number in range(start.rounds, self.rounds):
            if self.state:
                progress = (
                    number,
                    number + repeated + 1,
                    get_weights(module),
                    history,
                    findings.notes,
                    sorted(validator.seen),
                )
                RoundState(fingerprint, *progress).save(self.state)
            rng = np.random.default_rng([int(draw.generate_state(1)[0]), number])
            sample_size = max(1, round(self.fraction * len(client_rows)))
            sampled = np.sort(rng.choice(len(client_rows), sample_size, replace=False)).tolist()
            loss = self._run_round(module, client_rows, (clients, validator), sampled, number, seed, findings)
            history.append({"loss": loss, **module.validate()})
        if all((a == b).all() for a, b in zip(first, get_weights(module), strict=True)):
            raise UserError("the training changed no weight; raise training.rounds or the learning rate")
        save_file({k: v.cpu().contiguous() for k, v in module.state_dict().items()}, folder / "weights.safetensors")
        model: TrainedModel = module.federated_model(self._protocol(module))
        record(findings, history)
        if repeated:
            findings.notes.append(f"{repeated} rounds were cut short and begun again; an epsilon counts them twice.")
        steps = (len(history) + repeated, self.local_epochs, self.batch_size)
        record_privacy(findings, self.aggregation, *steps, list(map(len, client_rows)))
        return model, findings

    def _protocol(self, module: Any) -> Protocol:
        settings, local = describe_aggregation(self.aggregation), module.optimizer_settings()
        return Protocol(settings, self.rounds, self.local_epochs, self.batch_size, self.proximal, **local)

    def _fingerprint(self, seed: int, rows: Tensor, first: list[np.ndarray]) -> str:
        """Hash the settings and data that a resumed training must share; the number of rounds may differ."""
        settings = [seed, self.local_epochs, self.batch_size, self.fraction, self.proximal, str(self.policy)]
        hashed = hashlib.sha256(repr([*settings, str(describe_aggregation(self.aggregation))]).encode())
        for array in (rows.cpu().numpy(), *first):
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()

    def _run_round(
        self,
        module: Any,
        client_rows: list[Tensor],
        parties: tuple[list[Client], MessageValidator],
        sampled: list[int],
        number: int,
        seed: int,
        findings: Findings,
    ) -> float:
        """Run one round and set the new global weights; return the mean of the clients' losses."""
        (clients, validator), before = parties, get_weights(module)
        messages, losses = dict[int, bytes](), list[float]()
        epochs = range(number * self.local_epochs, (number + 1) * self.local_epochs)
        validator.aggregator.begin(sampled)
        for client in sampled:
            set_weights(module, before)
            started, order_seed = monotonic(), seed + NEXT_CLIENT * client
            batches = EpochBatches(client_rows[client], self.batch_size, 1, order_seed, epochs)
            with measure_seconds(findings, "training_seconds"):
                loss = self._train_locally(module, batches, np.random.SeedSequence([seed, number, client]))
            update = flatten(get_weights(module)) - flatten(before)
            try:
                with measure_seconds(findings, "protecting_seconds"):
                    message = clients[client].protect(update, validator.weights[client], number)
                messages[client] = validator.validate(client, number, message, monotonic() - started)
                losses.append(loss)
            except UserError as error:
                findings.notes.append(f"round {number + 1}: client {client} was left out: {error}")
        if not messages:
            raise UserError(f"no client sent a usable update in round {number + 1}: {findings.notes[-1]}")
        set_weights(module, self._aggregate(before, clients, validator, messages, number, findings))
        return float(np.mean(losses))

    def _aggregate(
        self,
        before: list[np.ndarray],
        clients: list[Client],
        validator: MessageValidator,
        messages: dict[int, bytes],
        number: int,
        findings: Findings,
    ) -> list[np.ndarray]:
        """Aggregate the messages and return the new global weights; `before` if the round is rejected."""
        if len(messages) < self.policy.least_clients:
            missing = f"{len(messages)} of at least {self.policy.least_clients} clients"
            findings.notes.append(f"round {number + 1} changed nothing: {missing} sent a usable update")
            return before
        with measure_seconds(findings, "adding_seconds"):
            combined = validator.aggregator.combine(list(messages.values()), list(messages))
        with measure_seconds(findings, "opening_seconds"):
            mean = clients[min(messages)].open(combined)
        findings.cost |= {"bytes_up": len(next(iter(messages.values()))), "bytes_down": len(combined)}
        findings.cost |= validator.aggregator.costs()
        norm = float(np.linalg.norm(mean))
        if not np.isfinite(norm) or norm > (self.policy.largest_norm or np.inf):
            findings.notes.append(f"round {number + 1} changed nothing: the norm of the mean is {norm:g}")
            return before
        return unflatten(flatten(before) + mean, before)

    def _train_locally(self, module: Any, batches: EpochBatches, seeds: np.random.SeedSequence) -> float:
        """Run one client's local training; return the mean loss of its steps."""
        if noise := self.aggregation.example_noise():
            if not module.examples_apart:
                name = type(module).__name__
                raise UserError(f"aggregation=example_dp needs a loss of independent examples; {name} has none")
            settings = (self.batch_size, self.local_epochs, noise, self.proximal, int(seeds.generate_state(1)[0]))
            return descend_privately(module.loss, module.net, module.configure_optimizers(), batches.rows, *settings)
        parameters = list(module.parameters())
        return descend(module.loss, parameters, module.configure_optimizers(), batches, self.proximal)


def get_weights(module: Any) -> list[np.ndarray]:
    """Return copies of the module's parameters as arrays, in the order of `module.parameters()`."""
    return [p.detach().cpu().numpy().copy() for p in module.parameters()]


@torch.no_grad()
def set_weights(module: Any, arrays: list[np.ndarray]) -> None:
    """Load arrays as returned by `get_weights` into the module's parameters."""
    for parameter, array in zip(module.parameters(), arrays, strict=True):
        parameter.copy_(torch.from_numpy(array))


@contextmanager
def measure_seconds(findings: Findings, name: str) -> Iterator[None]:
    """Add the wall-clock seconds of the block to the cost `name` of the findings."""
    started = time.perf_counter()
    try:
        yield
    finally:
        findings.cost[name] = findings.cost.get(name, 0.0) + time.perf_counter() - started
