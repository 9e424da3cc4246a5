"""Membership inference: was this row in the training set?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from veilbench.attack_methods.membership_report import report
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import Attack
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Control, Findings
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.attacks.shadow_models import ShadowModels
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector, Representation
from veilbench.metrics import gaussian_ratio

TINY = 1e-12  # share of the rows' variance added to losses, so that 0 has a logarithm


class Membership(Attack[TrainedModel, Rows]):
    """Distinguishes training rows from test rows by how well the model reproduces them.

    The attacker has the rows in question, equal numbers of training and test rows, without knowing which is which. They
    may run these through the model and see the reconstruction error (a detector's score, if there is no
    reconstruction). For LiRA they also have the auxiliary rows, which are of the same kind and were never trained on.

    There are two attacks: the loss itself, low for members (Yeom et al. 2018); and LiRA (Carlini et al. 2022), which
    compares it with the losses of shadow models, small autoencoders with codes as long as the model's. Online, each
    shadow is trained on a random half of everything the attacker has, including the rows in question; offline, on
    auxiliary rows only. The shadows are perceptrons whatever the model is, so the target's losses are first shifted to
    the shadows' median. A model without a code has no shadows, and only the loss is used.

    The gain is 2 AUROC - 1 of LiRA if it applies, and of the loss otherwise: fixed in advance, not the better of two.
    If no negative control is given, it is the attacked model with two halves of the test rows, neither of which it was
    trained on, repeated for each model.

    Args:
        threat: threat model; needs `score_queries`; `auxiliary_data` adds LiRA.
        positive: positive control: a model that reveals its members.
        negative: negative control: a model that must not reveal its members; None uses rows the attacked model never
            saw.
        mode: mode of LiRA, "online" or "offline".
        shadows: number, size and training of the shadow models.
        most_rows: maximum number of members, and of non-members.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Rows
    target_kind = (Representation, Detector)

    title = "Membership inference"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TrainedModel,
        negative: TrainedModel | None = None,
        mode: Literal["online", "offline"] = "online",
        shadows: ShadowModels = ShadowModels(),
        most_rows: Annotated[Count, Ge(10)] = 2000,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, broken_threshold)
        self.mode, self.shadows, self.most_rows = mode, shadows, most_rows

    def run(
        self, trained: TrainedModel, rows: Rows, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Run the attack on training rows and unseen test rows, and report its gain."""
        members, others = rows.train.x, _never_seen(rows)
        return self._tell_apart(trained, members, others, rows.auxiliary.x, accelerator, rng)

    def _own_control(
        self, trained: TrainedModel, data: Rows, trainer: Accelerator, seed: np.random.SeedSequence
    ) -> Control:
        """Run the attack on two halves of the unseen test rows."""
        rng = np.random.default_rng(seed)
        shuffled = rng.permutation(_never_seen(data))
        ours, theirs = shuffled[::2], shuffled[1::2]
        gain = self._tell_apart(trained, ours, theirs, data.auxiliary.x, trainer, rng).gain
        if gain is None:
            raise UserError(f"the attack {self.title} reported no gain on its negative control")
        return Control("negative", f"{type(trained).__name__}, rows never seen", gain, gain.low <= 0)

    def _tell_apart(
        self,
        trained: TrainedModel,
        members: np.ndarray,
        others: np.ndarray,
        auxiliary: np.ndarray,
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> Findings:
        """Run the attack on equal numbers of members and non-members."""
        self.threat.require("score_queries")
        n = min(len(members), len(others), self.most_rows)
        if n < 10:
            raise UserError(f"membership needs 10 members and 10 unseen test rows, got {n}")
        questioned = np.concatenate([rng.permutation(members)[:n], rng.permutation(others)[:n]])
        losses, found = losses_of(trained, questioned), Findings(self.title)
        scores = {"loss": -losses}
        if isinstance(trained, Representation) and self.threat.auxiliary_data:
            code = self.shadows.code or trained.encode(questioned[:1]).shape[1]
            scores["lira"] = self._lira(losses, questioned, auxiliary, code, accelerator, rng)
        else:
            found.notes.append("The loss alone: LiRA needs a model with a code, and auxiliary data.")
        for name, score in scores.items():
            report(found, name, score[:n], score[n:], rng)
        return found

    def _lira(
        self,
        losses: np.ndarray,
        questioned: np.ndarray,
        auxiliary: np.ndarray,
        code: int,
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> np.ndarray:
        from veilbench.families.autoencoders.attacks.shadows import shadow_losses

        pool, tiny = np.concatenate([questioned, auxiliary]), TINY * float(questioned.var())
        inside = gaussian_ratio.halves(self.shadows.count, len(pool), rng)
        if self.mode == "offline":
            inside[:, : len(questioned)] = False
        shadows, device = replace(self.shadows, code=code), accelerator.device()
        shadow = np.log(shadow_losses(pool, inside, len(questioned), shadows, device, rng) + tiny)
        target = np.log(losses + tiny)
        target = target - np.median(target) + np.median(shadow)
        if self.mode == "offline":
            return gaussian_ratio.offline(target, shadow)
        return gaussian_ratio.online(target, shadow, inside[:, : len(questioned)])


def losses_of(trained: TrainedModel, rows: np.ndarray) -> np.ndarray:
    """Return what a model reveals of each row: its reconstruction error, or else its score; shape (n,).

    Raises:
        NotImplementedError: the model has neither.
    """
    if isinstance(trained, Representation):
        wrong = (trained.reconstruct(rows) - rows).reshape(len(rows), -1).astype(np.float64)
        return np.asarray((wrong**2).mean(1))
    if isinstance(trained, Detector):
        return trained.score(rows)
    raise NotImplementedError(f"{type(trained).__name__} neither codes nor scores rows")


def _never_seen(rows: Rows) -> np.ndarray:
    """Return the test rows of the kind that the model was trained on."""
    return rows.test.x[rows.test.y == 0] if rows.one_class else rows.test.x
