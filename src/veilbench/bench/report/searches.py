"""Charts of searches: the history of the objective, the importance of the settings, and utility against privacy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from veilbench.bench.findings import Curve, Figure
from veilbench.bench.report.records import read_checked

FILE = "search.json"  # in the folder of a search
MOST_SETTINGS = 10  # the most important ones, which a chart shows


@dataclass(frozen=True)
class Trial:
    """A finished trial of a search.

    Attributes:
        number: its number in the study, from 0.
        value: value of the objective; of a trial that was cut short, the last one of the watched curve, or None.
        pruned: whether it was cut short.
        gain: the largest gain of its attacks; None if nothing was attacked.
    """

    number: int
    value: float | None
    pruned: bool = False
    gain: float | None = None


@dataclass(frozen=True)
class SearchResult:
    """What a search has found so far.

    Attributes:
        name: name of the search.
        objective: name of the metric that is optimised.
        direction: "minimize" or "maximize".
        trials: its finished trials, in the order of their numbers.
        importances: share of each setting in the variance of the objective (fANOVA); empty if it cannot be told.
        best: settings of the best trial, in a line; empty if no trial was completed.
    """

    name: str
    objective: str
    direction: Literal["minimize", "maximize"]
    trials: Sequence[Trial]
    importances: dict[str, float] = field(default_factory=dict)
    best: str = ""

    def completed(self) -> list[tuple[Trial, float]]:
        """Return the trials that were not cut short, each with its value."""
        return [(trial, trial.value) for trial in self.trials if trial.value is not None and not trial.pruned]

    def charts(self) -> list[Figure]:
        """Return the figures for which there is something to draw."""
        return [*self._draw_history(), *self._draw_importances(), *self._draw_front()]

    def _draw_history(self) -> Iterator[Figure]:
        done = self.completed()
        if len(done) > 1:
            better = min if self.direction == "minimize" else max
            numbers, values = [trial.number for trial, _ in done], [value for _, value in done]
            curves = [Curve("trials", numbers, values), Curve("best so far", numbers, list(accumulate(values, better)))]
            yield Figure("History", "trial", self.objective, curves, points=True)

    def _draw_importances(self) -> Iterator[Figure]:
        ranked = sorted(self.importances.items(), key=lambda item: -item[1])[:MOST_SETTINGS]
        if ranked:
            curves = [Curve(name, [0], [share]) for name, share in ranked]
            yield Figure("Importance of the settings", "", "share of the variance of the objective", curves)

    def _draw_front(self) -> Iterator[Figure]:
        found = [(trial.gain, value) for trial, value in self.completed() if trial.gain is not None]
        if len(found) > 1:
            front = find_front(found, self.direction)
            curves = [Curve("trials", *zip(*found, strict=True)), Curve("Pareto front", *zip(*front, strict=True))]
            yield Figure("Utility against privacy", "largest gain of an attack", self.objective, curves, points=True)


def find_front(points: Sequence[tuple[float, float]], direction: str) -> list[tuple[float, float]]:
    """Return the points that no other point beats: in gain, in the objective, or in both at once.

    Args:
        points: pairs of a gain, of which less is better, and a value of the objective.
        direction: "minimize" or "maximize" the objective.

    Returns:
        The Pareto front by ascending gain; of equal points, one.
    """
    sign, front = 1 if direction == "minimize" else -1, list[tuple[float, float]]()
    for gain, value in sorted(set(points), key=lambda point: (point[0], sign * point[1])):
        if not front or sign * value < sign * front[-1][1]:
            front.append((gain, value))
    return front


def find_searches(folders: Sequence[Path]) -> list[SearchResult]:
    """Read the searches in and below some folders, by their names.

    Raises:
        UserError: the file of a search is damaged.
    """
    paths = {path for folder in folders for path in folder.rglob(FILE)}
    return [read_checked(TypeAdapter(SearchResult), path, "run the search again") for path in sorted(paths)]
