"""Membership inference: was this row in the training set?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from veilbench.attack_methods.membership_attack import FEWEST, MembershipAttack
from veilbench.bench.accelerator import Accelerator
from veilbench.bench.findings import Findings
from veilbench.bench.limits import Count, PositiveShare
from veilbench.bench.threat import ThreatModel
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.attacks.shadow_models import ShadowModels
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.schemes.base import Detector, Representation

TINY = 1e-12  # share of the rows' variance added to losses, so that 0 has a logarithm


class Membership(MembershipAttack[TrainedModel, Rows, np.ndarray]):
    """Distinguishes training rows from test rows by how well the model reproduces them.

    The attacker has equal numbers of training and test rows (the candidates), and does not know which is which. They
    can query the model's reconstruction error of a row, or the score of a detector without reconstructions. For LiRA
    they also have auxiliary rows, drawn from the same data and never trained on.

    There are two attacks. The first uses the loss itself, which is low for members (Yeom et al. 2018). LiRA (Carlini et
    al. 2022) compares the loss with those of shadow models, small autoencoders with codes of the same length. In online
    mode, each shadow is trained on a random half of all the attacker's rows, including the candidates; in offline mode,
    on auxiliary rows only. Shadows are perceptrons whatever the model's architecture, so the target's losses are first
    shifted to the shadows' median. For a model without a code, only the loss is used.

    The gain is 2 AUROC - 1 of LiRA if it applies, and of the loss otherwise; it is not the better of the two.

    Args:
        threat: threat model; needs `score_queries`; `auxiliary_data` adds LiRA.
        positive: positive control: a model that reveals its members.
        negative: negative control: a model that must not reveal its members; None replaces the members by rows that the
            attacked model was not trained on.
        mode: mode of LiRA, "online" or "offline".
        shadows: number, size and training of the shadow models.
        most_rows: maximum number of members, and of non-members.
        broken_threshold: gain from which the verdict is `broken`: the lower end of its interval must reach it.
    """

    data_kind = Rows
    target_kind = (Representation, Detector)

    title = "Membership inference"
    records = "rows"

    def __init__(
        self,
        threat: ThreatModel,
        positive: TrainedModel,
        negative: TrainedModel | None = None,
        mode: Literal["online", "offline"] = "online",
        shadows: ShadowModels = ShadowModels(),
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

    def score(
        self,
        target: TrainedModel,
        members: np.ndarray,
        others: np.ndarray,
        data: Rows,
        accelerator: Accelerator,
        rng: np.random.Generator,
        findings: Findings,
    ) -> dict[str, np.ndarray]:
        """Score rows by their loss and, if the model has a code and there are auxiliary data, by LiRA."""
        candidates = np.concatenate([members, others])
        losses = compute_losses(target, candidates)
        scores = {"loss": -losses}
        if isinstance(target, Representation) and self.threat.auxiliary_data:
            code = self.shadows.code or target.encode(candidates[:1]).shape[1]
            scores["lira"] = self._lira(losses, candidates, data.auxiliary.x, code, accelerator, rng)
        else:
            findings.notes.append("Only the loss is used: LiRA needs a model with a code, and auxiliary data.")
        return scores

    def _lira(
        self,
        losses: np.ndarray,
        candidates: np.ndarray,
        auxiliary: np.ndarray,
        code: int,
        accelerator: Accelerator,
        rng: np.random.Generator,
    ) -> np.ndarray:
        from veilbench.families.autoencoders.attacks.shadows import shadow_losses

        pool, tiny, n = np.concatenate([candidates, auxiliary]), TINY * float(candidates.var()), len(candidates)
        inside = self.draw_shadows(n, len(pool), rng)
        shadows = shadow_losses(pool, inside, n, replace(self.shadows, code=code), accelerator.device(), rng)
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
