"""Measures how well a detector distinguishes anomalies, and whether it does more than compute a row's norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import Count, Natural, PositiveShare
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.baselines.input_norm import InputNorm
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.evaluations.applicability import need_rows
from veilbench.families.autoencoders.evaluations.odd_features import explain
from veilbench.families.autoencoders.schemes.base import Detector, score_in_parts
from veilbench.metrics.anomaly import Ranking, need_scores, rank_correlation
from veilbench.metrics.intervals import bootstrap, proportion
from veilbench.metrics.majority import note_constant, note_one_sided

IS_THE_NORM = 0.95  # rank correlation from which a score is considered equivalent to the input norm


class Anomaly(Evaluation):
    """Measures AUROC and average precision on the test rows, and alarms at a threshold set by normal rows alone.

    Args:
        quantile: quantile of the scores of the validation rows, all normal, above which a row is called an anomaly; in
            (0, 1).
        baselines: detectors to compare with, fitted to the same training rows.
        examples: maximum number of anomalies to list with their most anomalous features.
        repeats: bootstrap samples; anomalies and normal rows are resampled separately.
    """

    data_kind = Rows
    reads_in_parts = True
    target_kind = Detector
    target_needs = ("score",)

    def __init__(
        self,
        quantile: PositiveShare = 0.95,
        baselines: Sequence[Detector] = (),
        examples: Natural = 10,
        repeats: Annotated[Count, Ge(100)] = 500,
    ) -> None:
        if not 0 < quantile < 1:
            raise ValueError(f"quantile={quantile} must be between 0 and 1")
        self.quantile, self.baselines, self.examples, self.repeats = quantile, list(baselines), examples, repeats

    def examine(
        self, trained: TrainedModel, rows: Rows, trainer: Accelerator, seeds: np.random.SeedSequence
    ) -> Findings:
        """Run the evaluation and return its findings.

        Raises:
            NotImplementedError: the model is not a detector, or the data have no anomalies.
            UserError: the scores are constant or not finite.
        """
        if not isinstance(trained, Detector):
            raise NotImplementedError(f"{type(trained).__name__} scores no rows")
        need_rows(rows)
        odd = rows.test.y != 0
        if not rows.one_class or not 0 < odd.sum() < len(odd):
            raise NotImplementedError(
                "the test rows are not normal rows and anomalies; say which labels are data.normal"
            )
        rng, findings = np.random.default_rng(seeds), Findings("Anomalies", notes=list(rows.notes))
        scores = self._scores(trained, rows, "this model")
        self._measure_ranking(scores, odd, rng, findings)
        threshold = self._measure_alarms(trained, scores, rows, findings)
        self._check_scores(scores, rows, findings)
        findings.tables.append(self._compare_baselines(scores, findings, rows, rng))
        alarms = (scores > threshold).astype(np.int64)
        findings.notes += note_one_sided(rows.test.y, rows.labels, "test rows")
        findings.notes += note_constant(alarms, rows.test.y, rows.labels, "test rows", findings.metrics["auroc"].value)
        detected = np.flatnonzero(odd & (scores > threshold))
        explain(
            trained, rows, detected[np.argsort(-scores[detected], kind="stable")][: self.examples], scores, findings
        )
        return findings

    def _scores(self, detector: Detector, rows: Rows, who: str) -> np.ndarray:
        scores = score_in_parts(detector, rows.test.x)
        if scores.shape != (len(rows.test),):
            raise UserError(f"{who} gives scores of shape {scores.shape} for {len(rows.test)} rows")
        need_scores(scores, who)
        return scores

    def _compute_measures(self, scores: np.ndarray, odd: np.ndarray, rng: np.random.Generator) -> tuple[Metric, Metric]:
        ranking = Ranking(scores, odd)
        auroc = bootstrap(ranking.auroc, odd, rng, self.repeats, unit="share")
        return auroc, bootstrap(ranking.average_precision, odd, rng, self.repeats, unit="share")

    def _measure_ranking(
        self, scores: np.ndarray, odd: np.ndarray, rng: np.random.Generator, findings: Findings
    ) -> None:
        auroc, precision = self._compute_measures(scores, odd, rng)
        prevalence = Metric.exact(odd.mean(), len(odd), "share")
        findings.metrics |= {"auroc": auroc, "average_precision": precision, "prevalence": prevalence}
        findings.notes.append("For random scores the average precision is the prevalence, and the AUROC is 50 %.")
        if auroc.value in (0, 1):
            findings.notes.append("The AUROC is at the end of its range: a bootstrap interval has no width there.")

    def _measure_alarms(self, trained: Detector, scores: np.ndarray, rows: Rows, findings: Findings) -> float:
        """Set the threshold on validation rows, measure alarms on test rows, and return the threshold."""
        held_out = score_in_parts(trained, rows.validation.x)
        if not np.isfinite(held_out).all():
            raise UserError("this model's scores of the validation rows are not all finite numbers")
        threshold, odd = float(np.quantile(held_out, self.quantile)), rows.test.y != 0
        findings.metrics["threshold"] = Metric.exact(threshold, len(held_out))
        for name, kind in (("false_alarms", ~odd), ("detected", odd)):
            findings.metrics[name] = proportion(int((scores[kind] > threshold).sum()), int(kind.sum()))
        findings.notes.append(
            f"The threshold is the {self.quantile:g} quantile of {len(held_out):,} validation rows' scores: "
            f"{1 - self.quantile:.1%} false alarms are expected. The intervals treat it as fixed."
        )
        return threshold

    def _check_scores(self, scores: np.ndarray, rows: Rows, findings: Findings) -> None:
        findings.metrics["distinct_scores"] = Metric.exact(len(np.unique(scores)), len(scores))
        correlation = rank_correlation(scores, score_in_parts(InputNorm(), rows.test.x))
        findings.metrics["norm_correlation"] = Metric.exact(correlation, len(scores))
        if abs(correlation) > IS_THE_NORM:
            findings.notes.append(
                f"This model is the norm: its scores rank the test rows like the Euclidean norm of the input "
                f"(Spearman {correlation:.3f})."
            )

    def _compare_baselines(self, scores: np.ndarray, findings: Findings, rows: Rows, rng: np.random.Generator) -> Table:
        """Compare with the baselines; report the difference to the best one on the same bootstrap samples."""
        lines: list[list[str | float | Metric | None]] = [
            ["this model", findings.metrics["auroc"], findings.metrics["average_precision"]]
        ]
        odd, others = rows.test.y != 0, {}
        for name, baseline in zip(self._names(), self.baselines, strict=True):
            answers = self._scores(cast(Detector, baseline.fit(rows.gathered(), rng)), rows, name)
            lines.append([name, *self._compute_measures(answers, odd, rng)])
            others[name] = Ranking(answers, odd)
        if others:
            ranking, best = Ranking(scores, odd), max(others, key=lambda name: others[name].auroc())
            difference = bootstrap(
                lambda counts: ranking.auroc(counts) - others[best].auroc(counts), odd, rng, self.repeats
            )
            findings.metrics["auroc_over_best_baseline"] = difference
            findings.notes.append(f"The baseline with the highest AUROC is {best}.")
        return Table("Comparison with other detectors", ["", "AUROC", "average precision"], lines)

    def _names(self) -> list[str]:
        """Return the baselines' names, with their settings where a name occurs twice."""
        names = [type(baseline).__name__ for baseline in self.baselines]
        settings = [", ".join(f"{k}={v}" for k, v in baseline.settings().items()) for baseline in self.baselines]
        return [
            f"{name} ({given})" if names.count(name) > 1 and given else name
            for name, given in zip(names, settings, strict=True)
        ]
