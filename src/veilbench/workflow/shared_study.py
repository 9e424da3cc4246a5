"""Lets several processes work on one study, so that each of its trials is run once.

The trials of a study are queued as slots, and the storage hands each to one process. The slot decides the seed. A
process shows that it is alive by counting up an attribute of its trial; if the count stands still for a lease, or the
process is known to be gone, the trial has failed and its slot is queued again with the same settings.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from veilbench.bench.heartbeat import keep_alive
from veilbench.bench.search import Search
from veilbench.bench.tracking.presence import Publisher

if TYPE_CHECKING:
    import optuna

SLOT, WORKER, SIGN = "slot", "worker", "sign of life"
PAUSE = 0.5  # seconds between two reads of the study


@dataclass
class SharedStudy:
    """A study that other processes work on, too.

    Attributes:
        study: the study as Optuna knows it.
        search: the settings of the search.
        pause: seconds between two reads of the study while other processes run the last trials.
    """

    study: optuna.Study
    search: Search
    pause: float = PAUSE
    _seen: dict[tuple[int, Any], float] = field(default_factory=dict)  # when a sign was seen first, by this clock

    def __post_init__(self) -> None:
        self.me = Publisher.here()

    def queue_missing(self) -> None:
        """Queue a trial for each slot without one: new slots, and those whose trial failed."""
        held = [trial for trial in self._trials() if trial.state.name != "FAIL"]
        taken = {trial.user_attrs.get(SLOT) for trial in held}
        taken |= set(range(sum(SLOT not in trial.user_attrs for trial in held)))  # of an earlier version
        for slot in range(self.search.trials):
            if slot not in taken:
                self.study.enqueue_trial({}, {SLOT: slot})

    def optimize(self, objective: Callable[[optuna.Trial], float]) -> None:
        """Run trials until the study has no more; waits for those that other processes run.

        Args:
            objective: runs a trial and returns the value to optimise; may raise `optuna.TrialPruned`.
        """
        while True:
            self.queue_dead()
            if trial := self.take():
                self._run(trial, objective)
            elif not self._trials("WAITING", "RUNNING"):
                return
            else:
                time.sleep(self.pause)

    def queue_dead(self) -> None:
        """Fail the trials of dead processes, and queue them again with their settings."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        for trial in self._trials("RUNNING"):
            if self._is_dead(trial):
                with suppress(ValueError, UpdateFinishedTrialError):  # it ended, or another process was faster
                    self.study.tell(trial.number, state=TrialState.FAIL)
                    self.study.enqueue_trial(trial.params, {SLOT: trial.user_attrs.get(SLOT)})

    def take(self) -> optuna.Trial | None:
        """Take a trial from the queue; None if there is none for this process."""
        from optuna.trial import TrialState

        if not self._trials("WAITING"):
            return None
        trial = self.study.ask()
        if self._is_surplus(trial):
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        trial.set_user_attr(WORKER, f"{self.me}")
        self.study.sampler = make_sampler(self.search, trial.user_attrs[SLOT])
        return trial

    def _is_surplus(self, trial: optuna.Trial) -> bool:
        """Whether another process was faster: it took the last trial of the queue, or queued the same slot."""
        slot = trial.user_attrs.get(SLOT)
        same = [other for other in self._trials() if other.user_attrs.get(SLOT) == slot and other.state.name != "FAIL"]
        return slot is None or any(
            other.number < trial.number or other.state.is_finished() for other in same if other.number != trial.number
        )

    def _is_dead(self, trial: optuna.trial.FrozenTrial) -> bool:
        worker = Publisher.parse(trial.user_attrs.get(WORKER, ""))
        if worker and worker.is_dead(self.me):
            return True
        seen = self._seen.setdefault((trial.number, trial.user_attrs.get(SIGN)), time.monotonic())
        return time.monotonic() - seen > self.search.lease * 60

    def _run(self, trial: optuna.Trial, objective: Callable[[optuna.Trial], float]) -> None:
        import optuna

        state, value = optuna.trial.TrialState.FAIL, None
        try:
            with self._living(trial):
                value = objective(trial)
            state = optuna.trial.TrialState.COMPLETE
        except optuna.TrialPruned:
            state = optuna.trial.TrialState.PRUNED
        finally:  # a trial that another process took for dead has failed already
            self.study.tell(trial, value, state, skip_if_finished=True)

    def _living(self, trial: optuna.Trial) -> AbstractContextManager[None]:
        numbers = count()
        return keep_alive(lambda: trial.set_user_attr(SIGN, next(numbers)), self.search.lease * 60)

    def _trials(self, *states: str) -> list[optuna.trial.FrozenTrial]:
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=tuple(map(TrialState.__getitem__, states)) or None)


def make_sampler(search: Search, slot: int) -> optuna.samplers.BaseSampler:
    """Make the sampler of one trial.

    Args:
        search: the settings of the search, with the kind of the sampler and its seed.
        slot: number of the trial among those of the study, whichever process runs it.
    """
    import optuna

    kinds: dict[str, type[Any]] = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    seed = int(np.random.SeedSequence((search.seed, slot)).generate_state(1)[0])
    sampler: optuna.samplers.BaseSampler = kinds[search.sampler](seed=seed)
    return sampler
