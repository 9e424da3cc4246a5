"""Base of the attacks on membership: was this record in the training set?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

import numpy as np

from veilbench.attack_methods.membership_report import PathGains, gain_value, measure_gains, report
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack, ControlCase
from veilbench.bench.errors import UserError
from veilbench.bench.findings import BudgetCurve, Findings, Metric
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import TrainedModel
from veilbench.metrics import gaussian_ratio

FEWEST = 10  # members, and as many non-members
FEWEST_HALVED = 8  # shadow models that can be halved
LIRA = "lira"  # the path by shadow models


class Pool(Protocol):
    """Records of one kind, which can be counted and selected by index; a numpy array is one."""

    def __len__(self) -> int:
        """Return the number of records."""

    def __getitem__(self, at: Any, /) -> Any:
        """Return the records with the given indices, as a pool."""


S = TypeVar("S", bound=TrainedModel)
D = TypeVar("D")
P = TypeVar("P", bound=Pool)


@dataclass(frozen=True)
class Game(Generic[S, D, P]):
    """The membership game (Yeom et al. 2018, section 2.3): which of these records was the model trained on?

    Attributes:
        target: model to query.
        members: records that it was trained on.
        others: records that it was not trained on.
        data: prepared data, whose auxiliary part the attacker has.
        accelerator: device on which shadow models are trained.
        rng: source of all randomness.
    """

    target: S
    members: P
    others: P
    data: D
    accelerator: Accelerator
    rng: np.random.Generator

    def draw(self, most: int, records: str) -> Self:
        """Return the game with equal numbers of random members and others.

        Args:
            most: maximum number of members, and of others.
            records: what the records are called in the error.

        Raises:
            UserError: there are too few records.
        """
        n = min(len(self.members), len(self.others), most)
        if n < FEWEST:
            raise UserError(f"membership needs {FEWEST} members and {FEWEST} unseen test {records}, got {n}")
        members, others = (pool[self.rng.permutation(len(pool))[:n]] for pool in (self.members, self.others))
        return replace(self, members=members, others=others)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a game.

    Attributes:
        findings: findings with the gain of the strongest path.
        gains: gain of each path, with intervals that hold jointly.
        scores: scores of the records in question by path, shape (2 * n,), members first.
    """

    findings: Findings
    gains: PathGains
    scores: Mapping[str, np.ndarray]


class MembershipAttack(Attack[S, D], Generic[S, D, P]):
    """Distinguishes training records from records that the model has not seen.

    The attacker has equal numbers of both, without knowing which is which. They have several paths: a threshold on what
    the model reveals of a record, LiRA, which compares it with what shadow models reveal, and others. A subclass says
    which records there are and how they are scored on each path. The gain is the largest of 2 AUROC - 1 and the true
    positive rate at 1 % false positives above chance, on any path.

    Each path has a positive control. `positive` reveals its members to a threshold. The one of LiRA, built by
    `plant_offset`, hides them from any threshold, and is only broken if the shadow models have learned what a record
    usually costs. If no negative control is given, it is the target itself, attacked with two halves of the unseen
    records.

    Args:
        threat: threat model; needs `score_queries`.
        positive: positive control, a model that reveals its members.
        negative: negative control; None attacks the target with unseen records only.
        shadows: number of shadow models; even, since each record is in half of them.
        most: maximum number of members in question, and of non-members.
        mode: "online" trains half of the shadows on each record in question, "offline" none of them.
        broken_threshold: gain from which a model counts as broken; 0 is chance and 1 is full success.
    """

    records: str  # what the records are called in errors and controls
    threshold: str  # name of the path that needs no shadow models

    def __init__(
        self,
        threat: ThreatModel,
        positive: S,
        negative: S | None,
        shadows: int,
        most: int,
        mode: Literal["online", "offline"] = "online",
        broken_threshold: float = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        if shadows % 2:
            raise ValueError(f"shadows={shadows} must be even: each of the {self.records} is in half of them")
        self.most, self.mode, self.count = most, mode, shadows

    @abstractmethod
    def members(self, data: D) -> P:
        """Return the records that the model was trained on."""

    @abstractmethod
    def unseen(self, data: D) -> P:
        """Return the records of the same kind that nothing was trained on."""

    @abstractmethod
    def paths(self, target: S, data: D) -> Sequence[str]:
        """Return the paths by which this target can be attacked: `threshold`, and others that apply, such as `LIRA`."""

    @abstractmethod
    def plant_offset(self, target: S, data: D) -> ControlCase[S]:
        """Return the positive control of LiRA: a model of the target's size that only shadow models can attack."""

    @abstractmethod
    def score(self, path: str, game: Game[S, D, P]) -> dict[int, np.ndarray]:
        """Score the records in question on one path.

        Args:
            path: name of the path, one of `paths`.
            game: the model and the records, n members and n others.

        Returns:
            Scores by the number of shadow models, increasing, 0 for `threshold`; each of shape (2 * n,), members first.
            Higher scores stand for members.
        """

    def distinguish(self, game: Game[S, D, P], paths: Sequence[str] = ()) -> Outcome:
        """Attack equal numbers of members and non-members.

        Args:
            game: the model and all records that may be drawn.
            paths: paths to use; empty for all that apply.

        Returns:
            The findings with the gain, and what they rest on.

        Raises:
            UserError: the threat model is insufficient, or there are too few records.
        """
        self.threat.require("score_queries")
        game = game.draw(self.most, self.records)
        found, n = Findings(self.title), len(game.members)
        budgets = {path: self.score(path, game) for path in paths or self.paths(game.target, game.data)}
        scores = {path: by_budget[max(by_budget)] for path, by_budget in budgets.items()}
        gains = measure_gains(scores, game.rng)
        for path, score in scores.items():
            report(found, path, score[:n], score[n:], gains.areas[path])
        found.gain, found.budget = gains.largest(), plot_budget(budgets)
        return Outcome(found, gains, scores)

    def run(self, target: S, data: D, accelerator: Accelerator, rng: np.random.Generator, control: bool) -> Findings:
        """Attack training records and unseen test records, and report the gain."""
        return self.distinguish(self.set_up(target, data, accelerator, rng)).findings

    def set_up(self, target: S, data: D, accelerator: Accelerator, rng: np.random.Generator) -> Game[S, D, P]:
        """Return the game of the training records against the unseen test records."""
        return Game(target, self.members(data), self.unseen(data), data, accelerator, rng)

    def control_cases(self, target: S, data: D) -> Sequence[ControlCase[S]]:
        """Return a positive control for each path that applies to the target, and the negative control."""
        cases = [ControlCase("positive", self.positive, self.threshold)]
        if LIRA in self.paths(target, data):
            cases.append(self.plant_offset(target, data))
        return [*cases, ControlCase("negative", self.negative)]

    def run_control(
        self, case: ControlCase[S], scheme: S, data: D, trainer: Accelerator, rng: np.random.Generator
    ) -> Findings:
        """Attack a control on its path only."""
        paths = [case.path] if case.path else []
        return self.distinguish(self.set_up(scheme, data, trainer, rng), paths).findings

    def _own_control(
        self, target: S, data: D, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Attack two halves of the unseen test records."""
        rng, unseen = np.random.default_rng(seed), self.unseen(data)
        game = self.set_up(target, data, trainer, rng)
        one, other = (unseen[at] for at in np.array_split(rng.permutation(len(unseen)), 2))
        gain = self.distinguish(replace(game, members=one, others=other)).findings.gain
        if gain is None:
            raise UserError(f"the attack {self.title} reported no gain on its negative control")
        return f"{type(target).__name__}, {self.records} never seen", gain

    def count_shadow_records(self, data: D, auxiliary: int) -> int:
        """Return how many records a shadow model is trained on: half of the game's and of the auxiliary ones."""
        return min(len(self.members(data)), len(self.unseen(data)), self.most) + auxiliary // 2

    def draw_shadows(self, asked: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Return whether each shadow model is trained on each of the attacker's records, shape (shadows, size), bool.

        Args:
            asked: number of records in question, which come first.
            size: number of all records that the attacker has.
            rng: generator that draws half of the shadows for each record.
        """
        inside = gaussian_ratio.halves(self.count, size, rng)
        if self.mode == "offline":
            inside[:, :asked] = False
        return inside

    def likelihood_ratio(self, losses: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> dict[int, np.ndarray]:
        """Return LiRA's scores (Carlini et al. 2022), after shifting the losses to the shadows' median.

        Args:
            losses: the target's losses of the records in question, or their logarithms, shape (n,).
            shadows: losses of the shadow models on the same scale, shape (shadows, n).
            inside: whether each shadow was trained on each of the records, shape (shadows, n), bool.

        Returns:
            Scores of shape (n,) by the number of shadows: those of the first half, if there are enough, and of all.
        """
        count = len(shadows)
        half = [count // 2] if count % 4 == 0 and count >= FEWEST_HALVED else []
        return {some: self._ratio(losses, shadows[:some], inside[:some]) for some in (*half, count)}

    def _ratio(self, losses: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> np.ndarray:
        shifted = losses - np.median(losses) + np.median(shadows)
        if self.mode == "offline":
            return gaussian_ratio.offline(shifted, shadows)
        return gaussian_ratio.online(shifted, shadows, inside)


def plot_budget(budgets: Mapping[str, Mapping[int, np.ndarray]]) -> BudgetCurve | None:
    """Return the gain by the number of shadow models; None if there is only one number.

    Args:
        budgets: for each path, scores by the number of shadow models, 0 for a path without any.
    """
    counts = sorted({count for by_budget in budgets.values() for count in by_budget} - {0})
    if len(counts) < 2:
        return None
    gains = [max(gain_value(by.get(count, by[max(by)])) for by in budgets.values()) for count in counts]
    return BudgetCurve("shadow models", counts, gains)
