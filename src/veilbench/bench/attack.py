"""The base class of all attacks: a threat model, a budget, two controls, and the rule that gives the verdict."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Generic, TypeVar, cast

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Examiner
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Control, Findings, judge
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import TrainedModel

CONFIDENCE = 0.99  # confidence level of gain intervals: strict, because many verdicts are given


S = TypeVar("S", bound=TrainedModel)
D = TypeVar("D")


class Attack(Examiner, Generic[S, D]):
    """An attack on targets of one kind, with data of one kind.

    Args:
        threat: the threat model, which says what the attacker has.
        positive: positive control, a scheme that this attack is known to break.
        negative: negative control, a scheme known to withstand it; None if the attack derives this control from its
            target, see `_own_control`.
        broken_threshold: the gain from which a scheme counts as broken, in (0, 1]; 0 is chance, 1 is complete success.
    """

    title: str
    # Setting whose largest value is the budget; smaller values serve the curve alone. A dot leads into a nested part.
    budget_parameter: str | None = None

    def __init__(self, threat: ThreatModel, positive: S, negative: S | None, broken_threshold: float = 0.8) -> None:
        if not 0 < broken_threshold <= 1:
            raise ValueError(f"broken_threshold={broken_threshold} must be in (0, 1]")
        self.threat, self.positive, self.negative, self.broken_threshold = threat, positive, negative, broken_threshold

    @abstractmethod
    def run(self, target: S, data: D, accelerator: Accelerator, rng: np.random.Generator, control: bool) -> Findings:
        """Attack one scheme and report the gain.

        Args:
            target: the scheme under attack, with its key.
            data: prepared data of the kind that the attack declares.
            accelerator: device, threads and workers to compute with.
            rng: source of all randomness.
            control: whether `target` is a control: then only the largest budget matters, and curves are skipped.
        """

    def examine(
        self, target: S, data: D, trainer: Accelerator, seeds: np.random.SeedSequence, memory: ControlMemory
    ) -> Findings:
        """Attack the target and both controls at the same budget, and give a verdict."""
        own, *drawn = seeds.spawn(3)
        found = self.run(target, data, trainer, np.random.default_rng(own), control=False)
        if found.gain is None:
            raise UserError(f"the attack {self.title} reported no gain")
        for kind, scheme, seed in (("positive", self.positive, drawn[0]), ("negative", self.negative, drawn[1])):
            if scheme is None:  # depends on the target, so that it cannot be remembered for others
                found.controls.append(self._own_control(target, data, trainer, seed))
                continue
            run = partial(self._control, kind, scheme, data, trainer, seed)
            found.controls.append(memory.recall(kind, run))
        found.verdict = judge(found.gain, found.controls[0].gain, found.controls[1].gain, self.broken_threshold)
        found.broken_threshold = self.broken_threshold
        found.threat = dict.fromkeys(self.threat.granted(), True)
        return found

    def _control(self, kind: str, scheme: S, data: D, trainer: Accelerator, seed: np.random.SeedSequence) -> Control:
        rng = np.random.default_rng(seed)
        fitted = cast(S, scheme.fit(data, rng))
        gain = self.run(fitted, data, trainer, rng, control=True).gain
        if gain is None:
            raise UserError(f"the attack {self.title} reported no gain on its {kind} control")
        passed = gain.low >= self.broken_threshold if kind == "positive" else gain.low <= 0
        return Control(kind, type(scheme).__name__, gain, passed)

    def _own_control(self, target: S, data: D, trainer: Accelerator, seed: np.random.SeedSequence) -> Control:
        """Run a negative control built from the target itself, under conditions where no attack can succeed."""
        raise UserError(f"the attack {self.title} needs a negative control: a scheme that is known to withstand it")
