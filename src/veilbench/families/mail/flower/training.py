"""Federated training by a Flower app."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import save_file

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Training
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, PositiveShare, Steps
from veilbench.bench.trained_model import TrainedModel, load_trained_model
from veilbench.families.mail.data.mail import save_mails
from veilbench.families.mail.flower.app import HISTORY, RunConfig
from veilbench.families.mail.flower.runs import run
from veilbench.families.mail.flower.settings import FlowerPrivacy, FlowerStrategy, to_run_config
from veilbench.families.mail.flower.strategy import create_aggregation, explain_refusal
from veilbench.families.mail.modules.mail_classifier import MailClassifier
from veilbench.training.round_history import record, record_privacy

STRATEGY, PRIVACY = FlowerStrategy(), FlowerPrivacy()


class Flower(Training):
    """Trains a mail filter by Flower's own strategies; updates are sent unprotected.

    With `privacy` all clients have equal weights, since Flower's noise is scaled to clip / clients. This is equivalent
    to the aggregation `EqualDp`.

    If all clients take part, the three ways of running give the same filter up to rounding. `in_process` is
    bit-reproducible; the other two add updates in the order of their arrival, and sample a fraction of the clients
    differently in every run.

    Args:
        runs: how the app runs: `in_process` delivers messages directly; `simulation` is Flower's simulation on Ray;
            `deployed` starts a SuperLink and a SuperNode per client on loopback, connected by real sockets.
        strategy: Flower's strategy for averaging updates.
        privacy: Flower's wrapper for differential privacy around the strategy.
        rounds: number of rounds of local training and averaging.
        local_epochs: epochs that each client trains per round.
        batch_size: mails per optimizer step.
        fraction: share of the clients that take part in a round, in (0, 1]; at least one client does.
    """

    model_kind = MailClassifier
    provides = ("protocol",)

    def __init__(
        self,
        runs: Literal["in_process", "simulation", "deployed"] = "in_process",
        strategy: FlowerStrategy = STRATEGY,
        privacy: FlowerPrivacy = PRIVACY,
        rounds: Steps = 3,
        local_epochs: Steps = 1,
        batch_size: Count = 128,
        fraction: PositiveShare = 1.0,
    ) -> None:
        if reason := explain_refusal(strategy.name, privacy.wrapper):
            raise ValueError(reason)
        self.runs, self.strategy, self.privacy = runs, strategy, privacy
        self.rounds, self.local_epochs, self.batch_size, self.fraction = rounds, local_epochs, batch_size, fraction

    def fit(
        self, module: Any, data: Any, trainer: Accelerator, seeds: np.random.SeedSequence, folder: Path
    ) -> tuple[TrainedModel, Findings]:
        """Train the filter and write `weights.safetensors` to `folder`.

        Raises:
            UserError: the federation ended without a filter, or no weight changed.
        """
        key, order = seeds.spawn(2)
        trainer.device()
        module.start(data, key)
        first = {name: weight.detach().cpu().numpy() for name, weight in module.net.state_dict().items()}
        clients = int(data.clients.max()) + 1
        with tempfile.TemporaryDirectory(prefix="veilbench-flower-") as home:
            prepared, out = Path(home) / "prepared", Path(home) / "out"
            prepared.mkdir()
            save_mails(data, prepared)
            save_file(first, prepared / "first.safetensors")
            settings = self._settings(module, clients, int(order.generate_state(1)[0]) % 2**31)
            run(self.runs, {**settings, "prepared": str(prepared), "out": str(out)}, clients)
            model, history = load_trained_model(out), json.loads((out / HISTORY).read_text(encoding="utf8"))
        if all((model.weights[name] == weight).all() for name, weight in first.items()):  # type: ignore[attr-defined]
            raise UserError("the training changed no weight; raise training.rounds or the learning rate")
        save_file(model.weights, folder / "weights.safetensors")  # type: ignore[attr-defined]
        findings = Findings("Training")
        record(findings, history)
        sizes = np.bincount(data.clients, minlength=clients).tolist()
        record_privacy(findings, create_aggregation(settings), len(history), self.local_epochs, self.batch_size, sizes)
        return model, findings

    def _settings(self, module: Any, clients: int, seed: int) -> RunConfig:
        settings = {name: getattr(self, name) for name in ("rounds", "local_epochs", "batch_size", "fraction")}
        settings |= to_run_config(vars(self.strategy), vars(self.privacy))
        return {
            **settings,
            **module.optimizer_settings(),
            "clients": clients,
            "seed": seed,
            "first": "first.safetensors",
        }
