"""Flower's app in its simulation: every client a virtual SuperNode, whose turns are taken by Ray's processes."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

from veilbench.errors import UserError
from veilbench.federated.flower_app import RunConfig, client_app, server_app
from veilbench.federated.flower_library import flower


def simulate(settings: RunConfig, clients: int) -> None:
    """Run the app; the filter is saved where the settings say.

    Args:
        settings: see `flower_app.DEFAULTS`; they travel with the apps, for a simulation that is started from Python
            has no run configuration.
        clients: virtual SuperNodes.

    Raises:
        UserError: Ray is not there.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("Flower's simulation needs the package ray: pip install 'veilbench[federated,simulation]'")
    logging.getLogger("flwr").setLevel(logging.WARNING)
    quiet: dict[str, Any] = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}
    resources = {"num_cpus": 1, "num_gpus": 0.0}
    flower("simulation").run_simulation(
        server_app(settings),
        client_app(settings),
        num_supernodes=clients,
        backend_config={"init_args": quiet, "client_resources": resources},
    )
