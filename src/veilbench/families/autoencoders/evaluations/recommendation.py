"""Can a model predict which item a person would like?"""

from __future__ import annotations

import numpy as np

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import Count, Natural
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.evaluations.applicability import need_finite, need_rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.intervals import mean, proportion

SHOWN_LIKED = 4


class Recommendation(Evaluation):
    """Hides one liked item per test person and looks for it among the k that the model ranks first.

    A row is a person, a column an item, 1 for liked. The person's other liked items are not recommended again.

    Args:
        k: number of items to recommend.
        examples: number of persons to show.
    """

    data_kind = Rows
    target_kind = Representation

    def __init__(self, k: Count = 5, examples: Natural = 8) -> None:
        self.k, self.examples = k, examples

    def examine(self, model: TrainedModel, rows: Rows, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Run the evaluation and return its findings.

        Raises:
            NotImplementedError: the model does not reconstruct rows, or the rows are not of 0 and 1.
            UserError: fewer than two test persons like two items.
        """
        if not isinstance(model, Representation):
            raise NotImplementedError(f"{type(model).__name__} gives no rows back from a code")
        need_rows(rows)
        if not rows.features or not np.isin(rows.train.x, (0, 1)).all() or not np.isin(rows.test.x, (0, 1)).all():
            raise NotImplementedError("it recommends from a table of 0 and 1; these rows hold something else")
        liked = rows.test.x[rows.test.x.sum(1) >= 2] == 1
        if len(liked) < 2:
            raise UserError(f"{len(liked)} of {len(rows.test)} test rows like two things or more; 2 are needed")
        rng = np.random.default_rng(seeds)
        hidden = np.where(liked, rng.random(liked.shape), -1).argmax(1)
        shown = liked.copy()
        shown[np.arange(len(liked)), hidden] = False
        scores = need_finite(model.reconstruct(shown.astype(np.float32)), "this model")
        popular = np.broadcast_to(rows.train.x.mean(0), scores.shape)
        ties = rng.random(scores.shape)
        ordered = {name: recommended(s, shown, ties) for name, s in (("model", scores), ("popularity", popular))}
        return self._findings(rows.features, shown, hidden, ordered)

    def _findings(
        self, names: list[str], shown: np.ndarray, hidden: np.ndarray, ordered: dict[str, np.ndarray]
    ) -> Findings:
        findings = Findings("Recommendation")
        hits = {name: (order[:, : self.k] == hidden[:, None]).any(1) for name, order in ordered.items()}
        left = (~shown).sum(1)
        findings.metrics["hit_rate"] = proportion(int(hits["model"].sum()), len(hidden))
        findings.metrics["hit_rate_of_popularity"] = proportion(int(hits["popularity"].sum()), len(hidden))
        findings.metrics["hit_rate_of_chance"] = Metric.exact(np.minimum(1, self.k / left).mean(), len(hidden), "share")
        gained = hits["model"].astype(float) - hits["popularity"]
        findings.metrics["over_popularity"] = mean(gained, unit="", of="persons")
        findings.notes.append(f"Hit rate: how often the one hidden thing is among the {self.k} put first.")
        lines = []
        for one in range(min(self.examples, len(hidden))):
            liked = [names[i] for i in np.flatnonzero(shown[one])]
            more = ", ..." if len(liked) > SHOWN_LIKED else ""
            listed = ", ".join(names[i] for i in ordered["model"][one, : min(self.k, int(left[one]))])
            hit = "yes" if hits["model"][one] else "no"
            lines.append([", ".join(liked[:SHOWN_LIKED]) + more, listed, names[hidden[one]], hit])
        findings.tables.append(Table("Persons of the test", ["liked", "shown", "hidden", "found"], lines))
        return findings


def recommended(scores: np.ndarray, known: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Rank items from best to worst, those already known last.

    Args:
        scores: score of each item, shape (persons, things).
        known: which items are known already, of the same shape, bool.
        ties: order of items with equal scores, of the same shape, from low to high.
    """
    return np.lexsort((ties, np.where(known, np.inf, -scores)), axis=1)
