"""Flower, which is not installed by default."""

from __future__ import annotations

import importlib
import os
from typing import Any

from veilbench.bench.errors import UserError


def flower(part: str) -> Any:
    """A part of the library, without its telemetry.

    Raises:
        UserError: it is not there.
    """
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    try:
        return importlib.import_module(f"flwr.{part}")
    except ImportError as error:
        raise UserError("a Flower app needs the package flwr: pip install 'veilbench[federated]'") from error
