"""How much of a corruption does a model undo?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

import numpy as np
from annotated_types import Ge

from veilbench.accelerator import Accelerator
from veilbench.corruptions.base import Corruption
from veilbench.data.rows import Rows
from veilbench.errors import UserError
from veilbench.evaluations.applicability import has_images, need_finite, need_rows
from veilbench.findings import Findings, Metric, Table
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr, ssim
from veilbench.metrics.intervals import mean
from veilbench.representations.base import Restorer
from veilbench.subject import Subject

SHOWN = 8


class Restoration:
    """PSNR and SSIM against the clean test images, before and after, beside other restorers on the same images.

    Args:
        corruption: what is done to the images.
        baselines: restorers, fitted to the same training rows.
        images: test images, at most.
    """

    def __init__(
        self, corruption: Corruption, baselines: Sequence[Restorer] = (), images: Annotated[int, Ge(2)] = 200
    ) -> None:
        self.corruption, self.baselines, self.images = corruption, list(baselines), images

    def examine(self, subject: Subject, rows: Rows, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Measure; see the class.

        Raises:
            NotImplementedError: the model restores nothing, or the rows are not images.
        """
        if not isinstance(subject, Restorer):
            raise NotImplementedError(f"{type(subject).__name__} restores nothing")
        need_rows(rows)
        if not has_images(rows):
            raise NotImplementedError(f"it measures on images of 1 or 3 channels, not on rows of shape {rows.shape}")
        rng = np.random.default_rng(seeds)
        clean = rows.test.x[: self.images]
        spoiled = self.spoiled(clean, rng)
        answers = {"corrupted": spoiled, "this model": subject.restored(spoiled)}
        for baseline in self.baselines:
            name = type(baseline).__name__
            if name in answers:
                raise UserError(f"baselines hold {name} twice; each of them once")
            answers[name] = cast(Restorer, baseline.fit(rows, rng)).restored(spoiled)
        return self._findings(clean, {name: need_finite(answer, name) for name, answer in answers.items()})

    def spoiled(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The corrupted images, shape (n, c, h, w).

        Raises:
            UserError: the corruption does not fit these images.
        """
        import torch

        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        try:
            return np.asarray(self.corruption(torch.from_numpy(clean), generator).numpy())
        except ValueError as error:
            raise UserError(f"corruption: {error}") from error

    def _findings(self, clean: np.ndarray, answers: dict[str, np.ndarray]) -> Findings:
        found = Findings("Restoration")
        decibels = {name: psnr(answer, clean) for name, answer in answers.items()}
        likeness = {name: ssim(answer, clean) for name, answer in answers.items()}
        for when, name in (("before", "corrupted"), ("after", "this model")):
            found.metrics[f"psnr_{when}"] = mean(decibels[name], unit="", of="images")
            found.metrics[f"ssim_{when}"] = mean(likeness[name], unit="", of="images")
        found.metrics["psnr_gain"] = mean(decibels["this model"] - decibels["corrupted"], unit="", of="images")
        others = {name: float(values.mean()) for name, values in list(decibels.items())[2:]}
        if others:
            best = max(others, key=lambda name: others[name])
            found.metrics["psnr_over_best_baseline"] = mean(
                decibels["this model"] - decibels[best], unit="", of="images"
            )
            found.notes.append(f"The best baseline is {best}.")
        lines: list[list[str | float | Metric | None]] = [
            [name, mean(decibels[name], unit="", of="images"), mean(likeness[name], unit="", of="images")]
            for name in answers
        ]
        settings = ", ".join(f"{key} {value}" for key, value in vars(self.corruption).items())
        title = f"Against the clean images, {type(self.corruption).__name__} {settings}".strip()
        found.tables.append(Table(title, ["", "PSNR, dB", "SSIM"], lines))
        shown = [("clean", clean), *answers.items()]
        found.pictures.append(picture("Restored images", [(name, images[:SHOWN]) for name, images in shown]))
        found.notes.append("PSNR and SSIM are for values in [0, 1]; neither images nor answers are cut to it.")
        return found
