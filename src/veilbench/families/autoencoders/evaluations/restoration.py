"""Measures how well a model restores corrupted images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, cast

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.errors import UserError
from veilbench.bench.findings import Findings, Metric, Table
from veilbench.bench.limits import Count
from veilbench.bench.trained_model import TrainedModel
from veilbench.corruptions.base import Corruption, corrupt_array
from veilbench.families.autoencoders.data.photographs import Photographs
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.evaluations.applicability import has_images, need_finite, need_rows
from veilbench.families.autoencoders.schemes.base import Restorer
from veilbench.families.autoencoders.schemes.eightfold import restore_eightfold
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr, ssim
from veilbench.metrics.intervals import mean

SHOWN, SQUARE = 8, 128  # images shown; side in pixels of the part shown of large ones
Groups = list[np.ndarray]  # groups of images of one size, each of shape (n, c, h, w)


class Restoration(Evaluation):
    """Measures PSNR and SSIM against the clean test images, before and after restoration, and for other restorers.

    If the data has whole images (`data.photographs`), they replace the test patches, and each is listed separately.

    Args:
        corruption: corruption to apply to the images.
        baselines: restorers to compare with, fitted to the same training rows, with settings chosen on the validation
            rows.
        images: maximum number of test images.
        eightfold: whether the model restores every image in eight positions, see `restore_eightfold`. The baselines do
            not.
    """

    data_kind = Rows
    target_kind = Restorer

    def __init__(
        self,
        corruption: Corruption,
        baselines: Sequence[Restorer] = (),
        images: Annotated[Count, Ge(2)] = 200,
        eightfold: bool = False,
    ) -> None:
        self.corruption, self.baselines, self.images = corruption, list(baselines), images
        self.eightfold = eightfold

    def examine(self, model: TrainedModel, rows: Rows, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Run the evaluation and return its findings.

        Raises:
            NotImplementedError: the model is not a restorer, or the rows are not images.
            UserError: the corruption does not fit these images.
        """
        if not isinstance(model, Restorer):
            raise NotImplementedError(f"{type(model).__name__} restores nothing")
        need_rows(rows)
        if not has_images(rows):
            raise NotImplementedError(f"it measures on images of 1 or 3 channels, not on rows of shape {rows.shape}")
        rng = np.random.default_rng(seeds)
        wholes = dict(list(rows.wholes.items())[: self.images]) if isinstance(rows, Photographs) else {}
        clean = [whole[None] for whole in wholes.values()] or [rows.test.x[: self.images]]
        corrupted = [corrupt_array(self.corruption, group, rng) for group in clean]
        restored = _restore_groups(model.for_corruption(self.corruption), corrupted, "this model", self.eightfold)
        answers = {"corrupted": corrupted, "this model": restored}
        for baseline in self.baselines:
            name = type(baseline).__name__
            if name in answers:
                raise UserError(f"baselines hold {name} twice; each is allowed once")
            answers[name] = _restore_groups(cast(Restorer, baseline.fit(rows, rng)), corrupted, name)
        return self._report(clean, answers, list(wholes))

    def _report(self, clean: Groups, answers: Mapping[str, Groups], names: Sequence[str]) -> Findings:
        findings = Findings("Restoration")
        decibels = {who: _measure_each(psnr, answer, clean) for who, answer in answers.items()}
        likeness = {who: _measure_each(ssim, answer, clean) for who, answer in answers.items()}
        for when, who in (("before", "corrupted"), ("after", "this model")):
            findings.metrics[f"psnr_{when}"] = _mean(decibels[who])
            findings.metrics[f"ssim_{when}"] = _mean(likeness[who])
        findings.metrics["psnr_gain"] = _mean(decibels["this model"] - decibels["corrupted"])
        others = {who: float(values.mean()) for who, values in list(decibels.items())[2:]}
        if others:
            best = max(others, key=lambda who: others[who])
            findings.metrics["psnr_over_best_baseline"] = _mean(decibels["this model"] - decibels[best])
            findings.notes.append(f"The best baseline is {best}.")
        lines: list[list[str | float | Metric | None]] = [
            [who, _mean(decibels[who]), _mean(likeness[who])] for who in answers
        ]
        settings = ", ".join(f"{key} {value}" for key, value in vars(self.corruption).items())
        title = f"Against the clean images, {type(self.corruption).__name__} {settings}".strip()
        findings.tables.append(Table(title, ["", "PSNR, dB", "SSIM"], lines))
        if names:
            findings.tables += [
                _table_per_image("PSNR, dB", names, decibels),
                _table_per_image("SSIM", names, likeness),
            ]
        shown = [(who, _crop_shown(group)) for who, group in (("clean", clean), *answers.items())]
        findings.pictures.append(picture("Restored images", shown))
        findings.notes.append("PSNR and SSIM assume values in [0, 1]; neither inputs nor outputs are clipped.")
        return findings


def _restore_groups(restorer: Restorer, corrupted: Groups, name: str, eightfold: bool = False) -> Groups:
    restore = partial(restore_eightfold, restorer) if eightfold else restorer.restore_rows
    return [need_finite(restore(group), name) for group in corrupted]


def _measure_each(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray], answers: Groups, clean: Groups
) -> np.ndarray:
    return np.concatenate([measure(one, other) for one, other in zip(answers, clean, strict=True)])


def _mean(values: np.ndarray) -> Metric:
    return mean(values, unit="", of="images")


def _table_per_image(what: str, names: Sequence[str], values: Mapping[str, np.ndarray]) -> Table:
    """Return a table with a line for each image and a column for each restorer."""
    lines: list[list[str | float | Metric | None]] = [
        [name, *(float(x[place]) for x in values.values())] for place, name in enumerate(names)
    ]
    return Table(f"{what}, of each image", ["", *values], lines)


def _crop_shown(groups: Groups) -> np.ndarray:
    """Return the first images, cropped to a common size around their centres, shape (n, c, h, w)."""
    images = [image for group in groups for image in group[:SHOWN]][:SHOWN]
    high, wide = (min([SQUARE, *(image.shape[axis] for image in images)]) for axis in (1, 2))
    cut = []
    for image in images:
        top, left = (image.shape[1] - high) // 2, (image.shape[2] - wide) // 2
        cut.append(image[:, top : top + high, left : left + wide])
    return np.stack(cut)
