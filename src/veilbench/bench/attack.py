"""The base class of all attacks: a threat model, a budget, two controls, and the rule that gives the verdict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar, cast

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Examiner
from veilbench.bench.control_memory import ControlMemory
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Control, Findings, Metric
from veilbench.bench.rule import control_passes, doubt_budget, judge
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import TrainedModel

S = TypeVar("S", bound=TrainedModel)
D = TypeVar("D")


@dataclass(frozen=True)
class ControlCase(Generic[S]):
    """A scheme that an attack is run on because its outcome is known.

    Attributes:
        kind: "positive" (the attack must break it) or "negative" (the attack must do no better than chance).
        scheme: the scheme; None if the attack derives it from its target, see `Attack._own_control`.
        path: the path of the attack that is exercised; empty for all of them.
        variant: what the scheme takes from the target, such as "blocks of 2"; empty if nothing. Cached results are kept
            apart by it.
        is_target: whether the attack cannot tell the scheme from its target, so that its gain there is the control's.
    """

    kind: str
    scheme: S | None
    path: str = ""
    variant: str = ""
    is_target: bool = field(default=False, kw_only=True)


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

    def control_cases(self, target: S, data: D) -> Sequence[ControlCase[S]]:
        """Return the controls to run for this target: by default, the positive and the negative one of the constructor.

        An attack with several paths returns one positive control for each path that the target can be attacked by, with
        the block, key and sample sizes of the target.
        """
        return [ControlCase("positive", self.positive), ControlCase("negative", self.negative)]

    def run_control(
        self, case: ControlCase[S], scheme: S, data: D, trainer: Accelerator, rng: np.random.Generator
    ) -> Findings:
        """Attack a control; an attack with several paths uses only `case.path`.

        Args:
            case: the control, with its path and variant.
            scheme: the control's scheme, fitted.
            data: prepared data of the target.
            trainer: device, threads and workers to compute with.
            rng: source of all randomness.
        """
        return self.run(scheme, data, trainer, rng, control=True)

    def examine(
        self, target: S, data: D, trainer: Accelerator, seeds: np.random.SeedSequence, memory: ControlMemory
    ) -> Findings:
        """Attack the target and the controls at the same budget, and give a verdict.

        An attack that does not apply to the target reports no gain and a reason; it gets no controls and no verdict.
        An attack that reports both a gain and a reason is inconclusive, for this reason.
        """
        cases = self.control_cases(target, data)
        own, *drawn = seeds.spawn(1 + len(cases))
        found = self.run(target, data, trainer, np.random.default_rng(own), control=False)
        found.threat = dict.fromkeys(self.threat.granted(), True)
        if found.gain is None:
            if not found.reason:
                raise UserError(f"the attack {self.title} reported no gain")
            return found
        for case, seed in zip(cases, drawn, strict=True):
            if case.is_target:
                found.controls.append(self._check(case, type(case.scheme).__name__, found.gain))
                found.notes.append(f"The control on {case.path} is the attack itself: it cannot tell the two apart.")
                continue
            if case.scheme is None:  # depends on the target, so that it cannot be remembered for others
                name, gain = self._own_control(target, data, trainer, seed)
                found.controls.append(self._check(case, name, gain))
                continue
            run = partial(self._control, case, case.scheme, data, trainer, seed)
            found.controls.append(memory.recall(case.kind, run, case.path, case.variant))
        ruling = judge(found.gain, found.controls, self.broken_threshold, undecided=found.reason)
        found.verdict, found.reason = ruling.verdict, ruling.reason
        found.doubt = found.doubt or doubt_budget(found.budget)
        found.broken_threshold = self.broken_threshold
        return found

    def _control(
        self, case: ControlCase[S], scheme: S, data: D, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        rng = np.random.default_rng(seed)
        fitted = cast(S, scheme.fit(data, rng))
        gain = self.run_control(case, fitted, data, trainer, rng).gain
        if gain is None:
            raise UserError(f"the attack {self.title} reported no gain on its {case.kind} control")
        return self._check(case, type(scheme).__name__, gain)

    def _check(self, case: ControlCase[S], name: str, gain: Metric) -> Control:
        passed = control_passes(case.kind, gain, self.broken_threshold)
        return Control(case.kind, name, gain, passed, case.path)

    def _own_control(
        self, target: S, data: D, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> tuple[str, Metric]:
        """Run a negative control built from the target itself, where no attack can succeed.

        Returns:
            The control's name, and the attack's gain on it.
        """
        raise UserError(f"the attack {self.title} needs a negative control: a scheme that is known to withstand it")
