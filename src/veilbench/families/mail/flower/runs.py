"""The three ways to run the Flower app."""

from __future__ import annotations

import json
from pathlib import Path

from veilbench.federated.flower_app import RunConfig


def run(runs: str, settings: RunConfig, clients: int) -> None:
    """Train; the filter and its history are in the folder `out` of the settings then.

    Args:
        runs: see `training.flower.Flower`.
        settings: see `flower_app.DEFAULTS`.
        clients: how many.
    """
    if runs == "in_process":
        from veilbench.federated.flower_in_process import in_process

        in_process(settings, clients)
    elif runs == "simulation":
        from veilbench.federated.flower_simulated import simulate

        simulate(settings, clients)
    else:
        from veilbench.federated.flower_deployed import deploy

        texts = {name: json.dumps(value) for name, value in settings.items()}  # TOML reads JSON's plain values
        deploy(Path(str(settings["prepared"])), Path(str(settings["out"])), texts)
