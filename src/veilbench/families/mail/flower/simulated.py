"""Flower's app in its simulation: every client a virtual SuperNode, whose turns are taken by Ray's processes."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import threading
from typing import Any

from veilbench.bench.errors import UserError
from veilbench.families.mail.flower.app import RunConfig, client_app, server_app
from veilbench.federated.flower_library import flower

PATIENCE = 50.0  # seconds for Ray to start; after 60 Ray may end the process without a word


def simulate(settings: RunConfig, clients: int) -> None:
    """Run the app; the filter is saved where the settings say.

    Args:
        settings: see `app.DEFAULTS`; they travel with the apps, for a simulation that is started from Python
            has no run configuration.
        clients: virtual SuperNodes.

    Raises:
        UserError: Ray is not there, or does not start.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("Flower's simulation needs the package ray: pip install 'veilbench[federated,simulation]'")
    logging.getLogger("flwr").setLevel(logging.WARNING)
    start_ray()
    flower("simulation").run_simulation(
        server_app(settings),
        client_app(settings),
        num_supernodes=clients,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )


def start_ray(patience: float = PATIENCE) -> None:
    """Start Ray before Flower would, whose server waits for clients long after a Ray that has not started.

    A thread starts it, so that this one can give up; and stays, for Linux ends Ray's processes with it.

    Args:
        patience: seconds.

    Raises:
        UserError: it has not started.
    """
    ray, failures, decided = importlib.import_module("ray"), list[Exception](), threading.Event()
    if ray.is_initialized():
        return
    threading.Thread(target=_start, args=(ray, failures, decided), daemon=True).start()
    if not decided.wait(patience):
        raise UserError(f"Ray has not started in {patience:g} s; what it says is in /tmp/ray/session_latest/logs")
    if failures:
        raise UserError(f"Ray has not started: {' '.join(str(failures[0]).split())[:300]}")


def _start(ray: Any, failures: list[Exception], decided: threading.Event) -> None:
    paths = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH")]))  # Ray's processes need them
    quiet: dict[str, Any] = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}
    try:
        ray.init(runtime_env={"env_vars": {"PYTHONPATH": paths}}, **quiet)
    except Exception as error:
        failures.append(error)
    decided.set()
    threading.Event().wait()
