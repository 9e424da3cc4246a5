"""Interface of networks that a saved model can construct again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import nn


class SavedNet(nn.Module, ABC):
    """A network whose architecture is saved as plain settings, apart from its weights."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what the network is constructed from, in types that JSON can hold."""
