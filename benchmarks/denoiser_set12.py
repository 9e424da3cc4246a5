"""Compare the included denoiser with BM3D and other restorers on Set12, for quality and speed.

Usage: python benchmarks/denoiser_set12.py [--levels 15,25,50] [--images ../shared/data/restoration] [--without-bm3d]

The folder has the images of Set12 in Set12/, and those of Kodak in Kodak/, on whose patches the settings of NLM, total
variation and Wiener are chosen. All get the same noise and its true level, except for the row `estimated level`. Prints
the mean PSNR in dB over the images with Student's t interval, the CPU time per image relative to BM3D's, measured image
by image in this process with one thread, and the PSNR of each image. BM3D is not a dependency of veilbench, see
bm3d_set12.py; check its licence before you install it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from bm3d_set12 import Bm3d
from veilbench.bench.trained_model import load_trained_model
from veilbench.corruptions.gaussian import Gaussian
from veilbench.families.autoencoders.baselines.nlm import Nlm
from veilbench.families.autoencoders.baselines.total_variation import TotalVariation
from veilbench.families.autoencoders.baselines.wiener import Wiener
from veilbench.families.autoencoders.data.loaders.patch_folder import PatchFolder
from veilbench.families.autoencoders.data.loaders.whole_images import WholeImages
from veilbench.families.autoencoders.data.photographs import Photographs, PhotographsData
from veilbench.families.autoencoders.included import find_model
from veilbench.families.autoencoders.schemes.base import Restorer
from veilbench.families.autoencoders.schemes.denoiser import Denoiser
from veilbench.families.autoencoders.schemes.eightfold import restore_eightfold
from veilbench.metrics.image import psnr, ssim
from veilbench.metrics.intervals import mean


class Eightfold(Bm3d):
    """The included denoiser in eight positions."""

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Denoise images."""
        return restore_eightfold(load_denoiser().for_corruption(Gaussian(self.sigma)), rows)


def load_denoiser() -> Denoiser:
    model = load_trained_model(find_model(Path("denoiser")))
    assert isinstance(model, Denoiser)
    return model


def load_images(folder: Path) -> Photographs:
    source = PatchFolder(str(folder / "Kodak"), 96, grey=True)
    data = PhotographsData(source, WholeImages(str(folder / "Set12"), True), (0.4, 0.4, 0.1, 0.1))
    with TemporaryDirectory() as made:
        data.prepare(Path(made))
        return data.load(Path(made))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--levels", default="15,25,50")
    parser.add_argument("--images", type=Path, default=Path("../shared/data/restoration"))
    parser.add_argument("--without-bm3d", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = load_images(arguments.images)
    with threadpool_limits(1):
        for level in arguments.levels.split(","):
            compare(rows, float(level), not arguments.without_bm3d)


def compare(rows: Photographs, level: float, with_bm3d: bool) -> None:
    sigma = level / 255
    fitted = (Nlm(sigma), TotalVariation(sigma), Wiener(sigma, 8))
    restorers: dict[str, Restorer] = {"BM3D": Bm3d(sigma)} if with_bm3d else {}
    restorers |= {"denoiser": load_denoiser().for_corruption(Gaussian(sigma)), "eightfold": Eightfold(sigma)}
    restorers |= {"estimated level": load_denoiser()}
    restorers |= {type(one).__name__: one.fit(rows, np.random.default_rng(0)) for one in fitted}  # type: ignore[misc]
    rng = np.random.default_rng(int(level))
    decibels, likeness, seconds = ({name: list[float]() for name in restorers} for _ in range(3))
    for clean in (whole[None] for whole in rows.wholes.values()):
        noisy = (clean + rng.normal(0, sigma, clean.shape)).astype(np.float32)
        for name, restorer in restorers.items():
            began = time.process_time()
            restored = restorer.restore_rows(noisy)
            seconds[name].append(time.process_time() - began)
            decibels[name].append(float(psnr(restored, clean)[0]))
            likeness[name].append(float(ssim(restored, clean)[0]))
    first = next(iter(restorers))
    print(f"sigma {level:g}: PSNR, SSIM, PSNR over {first}, CPU time relative to {first}; PSNR of each image")
    for name in restorers:
        quality = mean(decibels[name], unit="")
        gain = mean(np.subtract(decibels[name], decibels[first]), unit="")
        cost = sum(seconds[name]) / sum(seconds[first])
        print(
            f"  {name:16} {quality.value:.2f} [{quality.low:.2f}, {quality.high:.2f}]  {np.mean(likeness[name]):.3f}"
            f"  {gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]  {cost:.3f}  ",
            *(f"{value:.2f}" for value in decibels[name]),
            flush=True,
        )


if __name__ == "__main__":
    main()
