"""Runs the app in Flower's simulation: clients are virtual SuperNodes, executed by Ray's processes."""

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
from veilbench.federated.flower_library import import_flower

PATIENCE = 50.0  # maximum seconds for Ray to start; after 60, Ray may end the process without a message


def simulate(settings: RunConfig, clients: int) -> None:
    """Run the app; the filter and its history are written to the folder `out` of the settings.

    Args:
        settings: settings that override `app.DEFAULTS`; they are passed to the apps, since a simulation that is
            started from Python has no run configuration.
        clients: number of virtual SuperNodes.

    Raises:
        UserError: Ray is not installed, or does not start.
    """
    if importlib.util.find_spec("ray") is None:
        raise UserError("Flower's simulation needs the package ray: pip install 'veilbench[federated,simulation]'")
    logging.getLogger("flwr").setLevel(logging.WARNING)
    start_ray()
    import_flower("simulation").run_simulation(
        server_app(settings),
        client_app(settings),
        num_supernodes=clients,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )


def start_ray(patience: float = PATIENCE) -> None:
    """Start Ray before Flower does, since Flower's server would wait long for clients if Ray fails to start.

    A separate thread starts Ray, so that this one can time out. The thread stays alive, since Linux ends Ray's
    processes together with the thread that started them.

    Args:
        patience: maximum time to wait, in seconds.

    Raises:
        UserError: Ray has not started in time, or failed.
    """
    ray, failures, finished = importlib.import_module("ray"), list[Exception](), threading.Event()
    if ray.is_initialized():
        return
    threading.Thread(target=_start, args=(ray, failures, finished), daemon=True).start()
    if not finished.wait(patience):
        raise UserError(f"Ray has not started in {patience:g} s; see its logs in /tmp/ray/session_latest/logs")
    if failures:
        raise UserError(f"Ray has not started: {' '.join(str(failures[0]).split())[:300]}")


def _start(ray: Any, failures: list[Exception], finished: threading.Event) -> None:
    """Start Ray, report the outcome, and keep the thread alive."""
    paths = os.pathsep.join(filter(None, [*sys.path, os.environ.get("PYTHONPATH")]))  # Ray's processes need them
    quiet: dict[str, Any] = {"include_dashboard": False, "logging_level": logging.ERROR, "log_to_driver": False}
    try:
        ray.init(runtime_env={"env_vars": {"PYTHONPATH": paths}}, **quiet)
    except Exception as error:
        failures.append(error)
    finished.set()
    threading.Event().wait()
