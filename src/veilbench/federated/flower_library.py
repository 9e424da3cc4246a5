"""Imports Flower, an optional dependency."""

from __future__ import annotations

import importlib
import os
from typing import Any

from veilbench.bench.errors import UserError


def import_flower(part: str) -> Any:
    """Import the submodule `flwr.<part>` with telemetry disabled.

    Raises:
        UserError: Flower is not installed.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    try:
        return importlib.import_module(f"flwr.{part}")
    except ImportError as error:
        raise UserError("a Flower app needs the package flwr: pip install 'veilbench[federated]'") from error
