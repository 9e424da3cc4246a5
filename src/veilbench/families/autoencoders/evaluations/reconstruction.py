"""Measures how well rows can be reconstructed from their codes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.accelerator import Accelerator
from veilbench.bench.contracts import Evaluation
from veilbench.bench.findings import Findings, Metric, Picture, Table
from veilbench.bench.limits import Count
from veilbench.bench.trained_model import TrainedModel
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.autoencoders.data.rows import Rows
from veilbench.families.autoencoders.evaluations.applicability import has_images, need_finite, need_rows
from veilbench.families.autoencoders.schemes.base import Representation
from veilbench.metrics.grids import picture
from veilbench.metrics.image import psnr, squared_errors, ssim
from veilbench.metrics.intervals import mean

ACTIVE, SHOWN = 1e-3, 10  # share of the largest value in any code from which a unit is active; images shown


class Reconstruction(Evaluation):
    """Measures reconstruction errors, compared with the same number of principal components and with the mean row.

    All errors are on the test rows, in units of the scaled data. If the test rows are normal rows and anomalies, the
    errors of the two are reported separately, because a detector is meant to reconstruct the normal rows only. A unit
    of the code is active on a row if its absolute value exceeds a thousandth of the largest one in the codes of all
    test rows.

    Args:
        images: maximum number of test images for PSNR and SSIM.
    """

    data_kind = Rows
    target_kind = Representation
    target_needs = ("decode",)

    def __init__(self, images: Annotated[Count, Ge(2)] = 500) -> None:
        self.images = images

    def examine(self, model: TrainedModel, rows: Rows, trainer: Accelerator, seeds: np.random.SeedSequence) -> Findings:
        """Run the evaluation and return its findings.

        Raises:
            NotImplementedError: the model has no code, or the data are not rows of numbers.
        """
        if not isinstance(model, Representation):
            raise NotImplementedError(f"{type(model).__name__} gives no rows back from a code")
        need_rows(rows)
        x, findings = rows.test.x, Findings("Reconstruction", notes=list(rows.notes))
        codes = need_finite(model.encode(x), "its encoder")
        back = need_finite(model.decode(codes), "its decoder")
        size = codes[0].size
        components = min(size, *rows.train.x.reshape(len(rows.train), -1).shape)
        linear = Pca(components).fit(rows, np.random.default_rng(seeds)).reconstruct(x)
        average = np.broadcast_to(rows.train.x.mean(0), x.shape)
        named = {"this model": back, f"{components} principal components": linear, "mean training row": average}
        findings.tables.append(self._compare(rows, named))
        normal = rows.test.y == 0 if rows.one_class else np.ones(len(x), bool)
        for name, answer in zip(("mse", "mse_of_pca", "mse_of_mean"), named.values(), strict=True):
            findings.metrics[name] = _mean_error(squared_errors(answer, x)[normal])
            if rows.one_class:
                findings.metrics[f"{name}_anomalies"] = _mean_error(squared_errors(answer, x)[~normal])
        findings.metrics |= _measure_activity(codes)
        if components < size:
            findings.notes.append(f"The code has {size} values; there are {components} principal components at most.")
        if has_images(rows):
            findings.metrics |= self._image_quality(back, x)
            findings.pictures.append(_draw_grid(x[:SHOWN], back[:SHOWN]))
            findings.notes.append(
                "PSNR and SSIM assume values in [0, 1]; outputs are not clipped. 100 dB stands for no difference."
            )
        return findings

    def _image_quality(self, back: np.ndarray, x: np.ndarray) -> dict[str, Metric]:
        back, x = back[: self.images], x[: self.images]
        return {
            "psnr": mean(psnr(back, x), unit="", of="images"),
            "ssim": mean(ssim(back, x), unit="", of="images"),
        }

    def _compare(self, rows: Rows, named: dict[str, np.ndarray]) -> Table:
        """Return a table with one line per reconstruction."""
        x, lines = rows.test.x, []
        kinds = (
            {"normal rows": rows.test.y == 0, "anomalies": rows.test.y != 0} if rows.one_class else {"": slice(None)}
        )
        for name, answer in named.items():
            more = self._image_quality(answer, x).values() if has_images(rows) else ()
            errors = squared_errors(answer, x)
            lines.append([name, *(_mean_error(errors[kind]) for kind in kinds.values()), *more])
        errors_of = [f"mean squared error{', ' if kind else ''}{kind}" for kind in kinds]
        columns = ["", *errors_of, *(("PSNR, dB", "SSIM") if has_images(rows) else ())]
        return Table("Reconstruction errors", columns, lines)


def _mean_error(errors: np.ndarray) -> Metric:
    """Return the mean of at least one row's errors; the error of a single row has no interval."""
    return mean(errors, unit="", of="rows") if len(errors) > 1 else Metric.exact(float(errors[0]))


def _measure_activity(codes: np.ndarray) -> dict[str, Metric]:
    """Return the shares of the code's units that are active: in any row, and in a row on average."""
    flat = np.abs(codes.reshape(len(codes), -1))
    active = flat > ACTIVE * flat.max()
    return {
        "code_size": Metric.exact(flat.shape[1]),
        "active_units": Metric.exact(active.any(0).mean(), flat.shape[1], "share"),
        "active_per_row": mean(active.mean(1), of="rows"),
    }


def _draw_grid(x: np.ndarray, back: np.ndarray) -> Picture:
    difference = 0.5 + (back - x) / 2
    return picture(
        "Inputs and reconstructions", [("input", x), ("output", back), ("difference, grey for none", difference)]
    )
