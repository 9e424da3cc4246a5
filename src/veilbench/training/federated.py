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
        examples_apart: whether the loss is a mean of per-example losses that do not influence each other (no batch
            normalisation, for example), so that per-example gradients are defined.
    """

    examples_apart: ClassVar[bool] = False

    @abstractmethod
    def health(self) -> dict[str, float]:
        """Return metrics on validation data, for the learning curves."""

    def optimizer_settings(self) -> dict[str, Any]:
        """Return the clients' optimizer settings as keyword arguments of `Protocol`; empty if nothing needs them."""
        return {}

    def federated_model(self, protocol: Protocol) -> TrainedModel:
        """Return the trained model; a model whose attacks replay rounds stores the protocol with it."""
        return self.trained_model()


class Federated(Training):
    """Rounds of local training and averaging (McMahan et al. 2017).

    A client's optimizer state is reset in every round. A client's weight is its share of all training rows. Messages
    that violate the `RoundPolicy` are dropped from their round and reported in the notes with the client's number. The
    arguments are the settings of one protocol, named as in the literature on federated learning.

    Args:
        aggregation: how updates are protected and averaged; None is plain federated averaging.
        rounds: number of rounds of local training and averaging.
        local_epochs: epochs that each client trains per round.
        batch_size: rows per optimizer step.
        fraction: share of the clients sampled in each round, in (0, 1]; at least one client takes part.
        proximal: mu of FedProx (Li et al. 2020, equation 2), the strength of the pull towards the weights at the start
            of the round; 0 is federated averaging.
        deadline: seconds a client has for its part of a round; later messages are dropped. None waits indefinitely.
        largest_norm: maximum Euclidean norm of an update and of the mean; None allows any.
        least_clients: minimum number of accepted messages for a round to change the weights.
        state: checkpoint file, written as every round begins and removed once the record is written; a killed
            training resumes from it. Only one training at a time may use it. None keeps no checkpoint. Keys and noise
            are redrawn on resume, so that no noise is used twice, and epsilon counts the round that was cut short:
            its messages may have been sent. Without noise a resumed run is bit-identical to an uninterrupted one;
            with noise it is a different sample.
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
        with self._state_alone():
            return self._fit(module, data, trainer, seeds, folder)

    def forget(self) -> None:
        """Remove the state file, once the result of the training is stored elsewhere."""
        if self.state:
            self.state.unlink(missing_ok=True)

    def _state_alone(self) -> AbstractContextManager[object]:
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
        own = [rows[torch.from_numpy(data.clients == c)].to(device) for c in range(int(data.clients.max()) + 1)]
        seed, first = int(order.generate_state(1)[0]), weights_of(module)
        found, fingerprint = Findings("Training"), self._fingerprint(seed, rows, first)
        before = RoundState.load(self.state, fingerprint) if self.state else None
        if before and before.rounds >= self.rounds:
            many = f"is after {before.rounds} rounds; raise training.rounds, or remove it to start over"
            raise UserError(f"training.rounds={self.rounds} is not allowed: training.state={self.state} {many}")
        start = before or RoundState(fingerprint, 0, 0, first, [], [], [])
        set_weights(module, start.weights)
        found.notes += start.notes
        history = list(start.history)
        fresh = np.random.SeedSequence(noise.entropy, spawn_key=(*noise.spawn_key, start.begun))
        clients, aggregator = self.aggregation.setup(len(own), fresh)
        shares = [len(mails) / len(rows) for mails in own]
        validator = MessageValidator(aggregator, self.policy, sum(map(np.size, first)), shares, set(start.seen))
        repeated = start.begun - start.rounds
        for number in range(start.rounds, self.rounds):
            if self.state:
                done = (number, number + repeated + 1, weights_of(module), history, found.notes, sorted(validator.seen))
                RoundState(fingerprint, *done).save(self.state)
            rng = np.random.default_rng([int(draw.generate_state(1)[0]), number])
            taking_part = np.sort(rng.choice(len(own), max(1, round(self.fraction * len(own))), replace=False))
            loss = self._round(module, own, (clients, validator), taking_part.tolist(), number, seed, found)
            history.append({"loss": loss, **module.health()})
        if all((a == b).all() for a, b in zip(first, weights_of(module), strict=True)):
            raise UserError("the training changed no weight; raise training.rounds or the learning rate")
        save_file({k: v.cpu().contiguous() for k, v in module.state_dict().items()}, folder / "weights.safetensors")
        model: TrainedModel = module.federated_model(self._protocol(module))
        record(found, history)
        if repeated:
            found.notes.append(f"{repeated} rounds were cut short and begun again; an epsilon counts them twice.")
        how = (len(history) + repeated, self.local_epochs, self.batch_size)
        record_privacy(found, self.aggregation, *how, list(map(len, own)))
        return model, found

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

    def _round(
        self,
        module: Any,
        own: list[Tensor],
        parties: tuple[list[Client], MessageValidator],
        taking_part: list[int],
        number: int,
        seed: int,
        found: Findings,
    ) -> float:
        """Run one round and set the new global weights; return the mean of the clients' losses."""
        (clients, validator), begin = parties, weights_of(module)
        messages, losses = dict[int, bytes](), list[float]()
        epochs = range(number * self.local_epochs, (number + 1) * self.local_epochs)
        validator.aggregator.begin(taking_part)
        for who in taking_part:
            set_weights(module, begin)
            batches, started = EpochBatches(own[who], self.batch_size, 1, seed + NEXT_CLIENT * who, epochs), monotonic()
            with timed(found, "training_seconds"):
                loss = self._locally(module, batches, np.random.SeedSequence([seed, number, who]))
            update = flatten(weights_of(module)) - flatten(begin)
            try:
                with timed(found, "protecting_seconds"):
                    message = clients[who].protect(update, validator.weights[who], number)
                messages[who] = validator.checked(who, number, message, monotonic() - started)
                losses.append(loss)
            except UserError as error:
                found.notes.append(f"round {number + 1}: client {who} was left out: {error}")
        if not messages:
            raise UserError(f"no client sent a usable update in round {number + 1}: {found.notes[-1]}")
        set_weights(module, self._after(begin, clients, validator, messages, number, found))
        return float(np.mean(losses))

    def _after(
        self,
        begin: list[np.ndarray],
        clients: list[Client],
        validator: MessageValidator,
        messages: dict[int, bytes],
        number: int,
        found: Findings,
    ) -> list[np.ndarray]:
        """Return the global weights after a round; those from before it if the round is rejected."""
        if len(messages) < self.policy.least_clients:
            missing = f"{len(messages)} of at least {self.policy.least_clients} clients"
            found.notes.append(f"round {number + 1} changed nothing: {missing} sent a usable update")
            return begin
        with timed(found, "adding_seconds"):
            combined = validator.aggregator.combine(list(messages.values()), list(messages))
        with timed(found, "opening_seconds"):
            mean = clients[min(messages)].open(combined)
        found.cost |= {"bytes_up": len(next(iter(messages.values()))), "bytes_down": len(combined)}
        found.cost |= validator.aggregator.costs()
        length = float(np.linalg.norm(mean))
        if not np.isfinite(length) or length > (self.policy.largest_norm or np.inf):
            found.notes.append(f"round {number + 1} changed nothing: the mean is {length:g} long")
            return begin
        return unflatten(flatten(begin) + mean, begin)

    def _locally(self, module: Any, batches: EpochBatches, drawn: np.random.SeedSequence) -> float:
        """Run one client's local training; return the mean loss of its steps."""
        if noise := self.aggregation.example_noise():
            if not module.examples_apart:
                name = type(module).__name__
                raise UserError(f"aggregation=example_dp needs a loss of examples that are apart; {name} has none")
            how = (self.batch_size, self.local_epochs, noise, self.proximal, int(drawn.generate_state(1)[0]))
            return descend_privately(module.loss, module.net, module.configure_optimizers(), batches.rows, *how)
        parameters = list(module.parameters())
        return descend(module.loss, parameters, module.configure_optimizers(), batches, self.proximal)


def weights_of(module: Any) -> list[np.ndarray]:
    """Return copies of the module's parameters as arrays, in the order of `module.parameters()`."""
    return [p.detach().cpu().numpy().copy() for p in module.parameters()]


@torch.no_grad()
def set_weights(module: Any, arrays: list[np.ndarray]) -> None:
    """Load arrays as returned by `weights_of` into the module's parameters."""
    for parameter, array in zip(module.parameters(), arrays, strict=True):
        parameter.copy_(torch.from_numpy(array))


@contextmanager
def timed(found: Findings, name: str) -> Iterator[None]:
    """Add the wall-clock seconds of the block to the cost `name` of the findings."""
    started = time.perf_counter()
    try:
        yield
    finally:
        found.cost[name] = found.cost.get(name, 0.0) + time.perf_counter() - started
