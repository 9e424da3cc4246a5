"""Membership inference: was this row in the training set?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from veilbench.attack_methods.membership_attack import FEWEST, LIRA, Game, MembershipAttack
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.attack import ControlCase
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.baselines.marked_rows import MarkedRows
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector, Representation
from veilbench.families.autoencoders.shadow_models import ShadowModels
from veilbench.nets.dense import Dense

SHADOWS = ShadowModels()
TINY = 1e-12  # share of the rows' variance added to losses, so that 0 has a logarithm


class Membership(MembershipAttack[TrainedModel, Rows, np.ndarray]):
    """Distinguishes training rows from test rows by how well the model reproduces them.

    The attacker has equal numbers of training and test rows (the candidates), and does not know which is which. They
    can query the model's reconstruction error of a row, or the score of a detector without reconstructions. For LiRA
    they also have auxiliary rows, drawn from the same data and never trained on.

    There are two paths: the loss itself, low for members (Yeom et al. 2018); and LiRA (Carlini et al. 2022), which
    compares it with the losses of shadow models, small autoencoders with codes as long as the model's. Online, each
    shadow is trained on a random half of everything the attacker has, including the rows in question; offline, on
    auxiliary rows only. The shadows are perceptrons whatever the model is, so the target's losses are first shifted to
    the shadows' median. A model without a code has no shadows, and only the loss is used.

    Args:
        threat: threat model; needs `score_queries`; `auxiliary_data` adds LiRA.
        positive: positive control of the loss: a model that reveals its members.
        negative: negative control: a model that must not reveal its members; None uses rows the attacked model never
            saw.
        mode: mode of LiRA, "online" or "offline".
        shadows: number, size and training of the shadow models.
        most_rows: maximum number of members, and of non-members.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Rows
    target_kind = (Representation, Detector)
    target_needs = ("reconstruct",)

    title = "Membership inference"
    records = "rows"
    threshold = "loss"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TrainedModel,
        negative: TrainedModel | None = None,
        mode: Literal["online", "offline"] = "online",
        shadows: ShadowModels = SHADOWS,
        most_rows: Annotated[Count, Ge(FEWEST)] = 2000,
        broken_threshold: PositiveShare = 0.8,
    ) -> None:
        super().__init__(threat, positive, negative, shadows.count, most_rows, mode, broken_threshold)
        self.shadows = shadows

    def members(self, data: Rows) -> np.ndarray:
        """Return the training rows."""
        return data.train.x

    def unseen(self, data: Rows) -> np.ndarray:
        """Return the test rows of the kind that the model was trained on."""
        return data.test.x[data.test.y == 0] if data.one_class else data.test.x

    def paths(self, target: TrainedModel, data: Rows) -> tuple[str, ...]:
        """Return the loss and, if the model has a code and there are auxiliary data, LiRA."""
        applies = isinstance(target, Representation) and self.threat.auxiliary_data
        return (self.threshold, LIRA) if applies else (self.threshold,)

    def plant_offset(self, target: TrainedModel, data: Rows) -> ControlCase[TrainedModel]:
        """Return a model with the target's code that reproduces its training rows a little better."""
        shadows = ShadowModels(
            code=self._code(target, data), hidden=self.shadows.hidden, batch_size=self.shadows.batch_size
        )
        size = self.count_shadow_records(data, len(data.auxiliary))
        marked = MarkedRows(size, shadows, hidden_layers(target))
        return ControlCase("positive", marked, LIRA, f"{shadows} {marked.hidden}")

    def run(
        self, target: TrainedModel, data: Rows, accelerator: Accelerator, rng: np.random.Generator, control: bool
    ) -> Findings:
        """Attack training rows and test rows, and report the gain."""
        findings = super().run(target, data, accelerator, rng, control)
        if LIRA not in self.paths(target, data):
            findings.notes.append("The loss alone: LiRA needs a model with a code, and auxiliary data.")
        return findings

    def score(self, path: str, game: Game[TrainedModel, Rows, np.ndarray]) -> dict[int, np.ndarray]:
        """Score rows by their loss or by LiRA."""
        losses = compute_losses(game.target, np.concatenate([game.members, game.others]))
        return {0: -losses} if path == self.threshold else self.compare_with_shadows(losses, game)

    def _code(self, target: TrainedModel, data: Rows) -> int:
        """Return the length of the shadows' code; a model without a code gets 1, and no shadows."""
        if self.shadows.code is not None:
            return self.shadows.code
        return int(target.encode(data.test.x[:1]).shape[1]) if isinstance(target, Representation) else 1

    def compare_with_shadows(
        self, losses: np.ndarray, game: Game[TrainedModel, Rows, np.ndarray]
    ) -> dict[int, np.ndarray]:
        """Return LiRA's scores by the number of shadow models; `losses` has shape (2 * n,), members first."""
        from veilbench.families.autoencoders.shadows import shadow_losses

        asked = np.concatenate([game.members, game.others])
        pool, n, tiny = np.concatenate([asked, game.data.auxiliary.x]), len(asked), TINY * float(asked.var())
        models = replace(self.shadows, code=self._code(game.target, game.data))
        inside = self.draw_shadows(n, len(pool), game.rng)
        device, hidden = game.accelerator.device(), hidden_layers(game.target)
        shadows = shadow_losses(pool, inside, n, models, device, game.rng, hidden)
        return self.likelihood_ratio(np.log(losses + tiny), np.log(shadows + tiny), inside[:, :n])


def compute_losses(trained: TrainedModel, rows: np.ndarray) -> np.ndarray:
    """Return each row's reconstruction error, or a detector's score if there is no reconstruction; shape (n,).

    Raises:
        NotImplementedError: the model has neither.
    """
    if isinstance(trained, Representation):
        errors = (trained.reconstruct(rows) - rows).reshape(len(rows), -1).astype(np.float64)
        return np.asarray((errors**2).mean(1))
    if isinstance(trained, Detector):
        return trained.score(rows)
    raise NotImplementedError(f"{type(trained).__name__} neither codes nor scores rows")


def hidden_layers(trained: TrainedModel) -> tuple[int, ...]:
    """Return the units of the layers before the code of a dense autoencoder; empty for any other model."""
    architecture = getattr(getattr(trained, "net", None), "architecture", None)
    if not isinstance(architecture, Dense):
        return ()
    return tuple(architecture.widths(int(np.prod(trained.net.shape)))[1:-1])  # type: ignore[attr-defined]
