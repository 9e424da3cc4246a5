"""The three ways to run the Flower app."""

from __future__ import annotations

import json
from pathlib import Path

from veilbench.families.mail.flower.app import RunConfig


def run(runs: str, settings: RunConfig, clients: int) -> None:
    """Run the app; the filter and its history are written to the folder `out` of the settings.

    Args:
        runs: how to run the app: `in_process`, `simulation` or `deployed`.
        settings: settings that override `app.DEFAULTS`.
        clients: number of clients that take part.
    """
    if runs == "in_process":
        from veilbench.families.mail.flower.in_process import run_in_process

        run_in_process(settings, clients)
    elif runs == "simulation":
        from veilbench.families.mail.flower.simulated import simulate

        simulate(settings, clients)
    else:
        from veilbench.families.mail.flower.deployed import deploy

        texts = {name: json.dumps(value) for name, value in settings.items()}  # JSON's plain values are valid TOML
        deploy(Path(str(settings["prepared"])), Path(str(settings["out"])), texts)
