"""What computes the cells of a sweep: Hydra's launchers, or one of the classes derived from `Engine`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from veilbench.bench.errors import UserError
from veilbench.workflow.cells.asked import Asked
from veilbench.workflow.cells.attempt import Limits
from veilbench.workflow.cells.cell import Cell
from veilbench.workflow.cells.work import Outcome

Send = Callable[[Sequence[Cell]], tuple[list[Outcome | None], str]]
"""Computes cells; returns what became of each, None if that is unknown, and why it is. Raises `Refused`."""


class Refused(UserError):
    """What should compute cells has taken none of them."""


class Engine(ABC):
    """Settings of an engine; the node `hydra.launcher` of a sweep describes one.

    Attributes:
        cpus: number of CPUs that each cell gets.
        gpus: number of GPUs that each cell gets.
    """

    cpus: int
    gpus: int

    @abstractmethod
    def start(self, asked: Asked, limits: Limits) -> AbstractContextManager[Send]:
        """Start what computes cells, or connect to it, for the time of a block.

        Args:
            asked: the sweep.
            limits: how cells are computed.

        Returns:
            A context manager that gives a function which computes cells.

        Raises:
            UserError: it cannot be started or reached, or has not what a cell needs.
        """

    def count_jobs(self, cells: int) -> int:
        """Return the number of cells that are computed at the same time; 1 if it is not known beforehand.

        Args:
            cells: number of cells that are to be computed.
        """
        return 1
