"""Restoration of image files with a trained restorer, of the user or included in the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.folders import write_whole_folder
from veilbench.bench.trained_model import load_trained_model
from veilbench.corruptions.gaussian import Gaussian
from veilbench.families.autoencoders.data.row_format import RowFormat, load_row_format
from veilbench.families.autoencoders.included import find_model
from veilbench.families.autoencoders.schemes.base import Restorer
from veilbench.families.autoencoders.schemes.eightfold import restore_eightfold
from veilbench.images.image_file import read_image


def restore_images(
    model: Path, images: Sequence[Path], folder: Path, sigma: float | None = None, eightfold: bool = False
) -> None:
    """Restore images, and write each as a PNG file of 8 bits per channel into a folder, all or none.

    Args:
        model: folder of a trained restorer, or the name of one that is included.
        images: image files of the size of the training images; of any size for a model that takes any.
        folder: folder to write; it may hold nothing but earlier results for the same images.
        sigma: standard deviation of the noise in grey levels, of 255, for a restorer that takes one; None lets the
            restorer estimate it or do without.
        eightfold: whether to restore each image in eight positions, see `restore_eightfold`.

    Raises:
        UserError: the folder holds no restorer, an image does not fit it, two images have one name, the restorer
            takes no noise level, or the folder cannot be written.
    """
    model = find_model(model)
    restorer = load_trained_model(model)
    if not isinstance(restorer, Restorer):
        raise UserError(f"{model} holds a {type(restorer).__name__}, which restores no images; a restorer is needed")
    form = load_row_format(model)
    if len(form.shape) != 3 or form.shape[0] not in (1, 3):
        raise UserError(f"{model} takes rows of shape {form.shape}; images of 1 or 3 channels are needed")
    if sigma is not None:
        restorer = _tell_noise(restorer, form, sigma)
    names = _name_results(images, folder)
    with write_whole_folder(folder, names) as partial:
        for image, name in zip(images, names, strict=True):
            _write_png(restore_image(restorer, form, image, eightfold), partial / name)


def _tell_noise(restorer: Restorer, form: RowFormat, sigma: float) -> Restorer:
    """Return the restorer for noise of a standard deviation in grey levels.

    Raises:
        UserError: the level is not positive, or the restorer takes none.
    """
    if not 0 < sigma <= 255:
        raise UserError(f"--sigma {sigma:g} is not allowed: the noise has above 0 and at most 255 grey levels")
    told = restorer.for_corruption(Gaussian(sigma / 255 / float(np.mean(form.width))))
    if told is restorer or len(set(form.width)) > 1:
        raise UserError(f"--sigma {sigma:g} is not allowed: {type(restorer).__name__} cannot be told a noise level")
    return told


def restore_image(restorer: Restorer, form: RowFormat, path: Path, eightfold: bool = False) -> np.ndarray:
    """Read and restore one image, shape (channels, height, width), float64; values may lie outside [0, 1].

    Args:
        restorer: a trained restorer.
        form: format of its training images.
        path: image file; its colours become grey levels if the restorer takes one channel and does not restore each
            channel by itself.
        eightfold: whether to restore the image in eight positions.

    Raises:
        UserError: the image cannot be read, or is of another size than the restorer takes.
    """
    if not path.is_file():
        raise UserError(f"cannot read {path}: there is no such file")
    image = read_image(path, form.shape[0] == 1 and not restorer.each_channel)
    if restorer.each_channel and (image == image[:1]).all():
        image = image[:1]
    height, width = image.shape[1:]
    if list(image.shape) != form.shape and not form.any_size:
        wanted = f"{form.shape[2]} x {form.shape[1]}"
        raise UserError(f"{path} has {width} x {height} pixels, and the model takes {wanted}: crop or scale it")
    try:
        rows = form.scaling.apply(image[None])
        restored = (restore_eightfold(restorer, rows) if eightfold else restorer.restore_rows(rows))[0]
    except (ValueError, RuntimeError) as error:  # NumPy's and PyTorch's errors about shapes
        said = " ".join(str(error).split())
        raise UserError(f"{path} of {width} x {height} pixels cannot be restored: {said}") from error
    if not np.isfinite(restored).all():
        raise UserError(f"{path}: the restored image holds values that are not finite")
    return form.scaling.invert(restored)


def _name_results(images: Sequence[Path], folder: Path) -> list[str]:
    """Return the name of the file to write for each image.

    Raises:
        UserError: two images have the same name, or one lies in the folder that is replaced.
    """
    names = [f"{image.stem}.png" for image in images]
    for image, name in zip(images, names, strict=True):
        if names.count(name) > 1:
            raise UserError(f"{names.count(name)} images would be written to {folder / name}; rename one")
        if image.resolve().parent == folder.resolve():
            raise UserError(f"{image} lies in {folder}, which is replaced as a whole; write to another folder")
    return names


def _write_png(image: np.ndarray, path: Path) -> None:
    """Write an image of shape (channels, height, width), 1 or 3 channels, clipped to [0, 1]."""
    from PIL import Image

    pixels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(path)
