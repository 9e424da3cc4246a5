"""Measures how well a model recommends items that a person likes."""

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
    """Hides one liked item per test person, and measures how often it is among the k items that the model ranks first.

    Each row is a person and each column an item, with 1 for liked. The person's other liked items are ranked last.

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
            raise UserError(f"{len(liked)} of {len(rows.test)} test rows like two items or more; 2 are needed")
        rng = np.random.default_rng(seeds)
        hidden = np.where(liked, rng.random(liked.shape), -1).argmax(1)
        shown = liked.copy()
        shown[np.arange(len(liked)), hidden] = False
        scores = need_finite(model.reconstruct(shown.astype(np.float32)), "this model")
        popular = np.broadcast_to(rows.train.x.mean(0), scores.shape)
        ties = rng.random(scores.shape)
        ordered = {name: rank_items(s, shown, ties) for name, s in (("model", scores), ("popularity", popular))}
        return self._report(rows.features, shown, hidden, ordered)

    def _report(
        self, names: list[str], shown: np.ndarray, hidden: np.ndarray, ordered: dict[str, np.ndarray]
    ) -> Findings:
        findings = Findings("Recommendation")
        hits = {name: (order[:, : self.k] == hidden[:, None]).any(1) for name, order in ordered.items()}
        unknown = (~shown).sum(1)
        findings.metrics["hit_rate"] = proportion(int(hits["model"].sum()), len(hidden))
        findings.metrics["hit_rate_of_popularity"] = proportion(int(hits["popularity"].sum()), len(hidden))
        findings.metrics["hit_rate_of_chance"] = Metric.exact(
            np.minimum(1, self.k / unknown).mean(), len(hidden), "share"
        )
        gained = hits["model"].astype(float) - hits["popularity"]
        findings.metrics["over_popularity"] = mean(gained, unit="", of="persons")
        findings.notes.append(f"Hit rate: how often the hidden item is among the first {self.k} items.")
        lines = []
        for person in range(min(self.examples, len(hidden))):
            liked = [names[i] for i in np.flatnonzero(shown[person])]
            more = ", ..." if len(liked) > SHOWN_LIKED else ""
            recommended = ", ".join(names[i] for i in ordered["model"][person, : min(self.k, int(unknown[person]))])
            hit = "yes" if hits["model"][person] else "no"
            lines.append([", ".join(liked[:SHOWN_LIKED]) + more, recommended, names[hidden[person]], hit])
        findings.tables.append(
            Table("Recommendations to test persons", ["liked", "recommended", "hidden", "hit"], lines)
        )
        return findings


def rank_items(scores: np.ndarray, known: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Rank items from best to worst, those already known last.

    Args:
        scores: score of each item, shape (persons, items).
        known: which items are known already, of the same shape, bool.
        ties: order of items with equal scores, of the same shape, from low to high.
    """
    return np.lexsort((ties, np.where(known, np.inf, -scores)), axis=1)
