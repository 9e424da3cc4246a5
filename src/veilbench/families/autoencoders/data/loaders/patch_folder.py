"""Patches of photographs of any size in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, MinLen

from veilbench.bench.errors import UserError
from veilbench.bench.limits import PositiveShare, Side
from veilbench.families.autoencoders.data.loaders.sample_patches import cut_patches
from veilbench.families.autoencoders.data.raw import Raw
from veilbench.images.image_file import SUFFIXES, list_images, read_image


class PatchFolder:
    """Cuts square patches, shape (n, channels, size, size), in [0, 1], from a grid over each `folder/image.png`.

    Patches of one scale share no pixels. The classes are the images.

    Args:
        path: folder of the images, which `images.image_file.read_image` reads, or several folders.
        size: side of the patches, in pixels.
        scales: scales at which each image is cut. The same content may be in different parts of the data at different
            scales.
        grey: whether to convert colour images to one channel.
    """

    def __init__(
        self,
        path: str | Annotated[Sequence[str], MinLen(1)],
        size: Annotated[Side, Ge(2)] = 48,
        scales: Annotated[Sequence[PositiveShare], MinLen(1)] = (1.0,),
        grey: bool = False,
    ) -> None:
        self.path = path if isinstance(path, str) else list(path)
        self.size, self.scales, self.grey = size, list(scales), grey

    def read(self, rng: np.random.Generator) -> Raw:
        """Read the patches, image by image; `rng` places the grids.

        Raises:
            UserError: there are no images, or one cannot be read or is smaller than a patch.
        """
        notes: list[str] = []
        folders = [self.path] if isinstance(self.path, str) else self.path
        found = {folder: list_images(Path(folder), notes) for folder in folders}
        if empty := [folder for folder, files in found.items() if not files]:
            raise UserError(f"{empty[0]} holds no images; {', '.join(SUFFIXES)} are read")
        files = list(chain.from_iterable(found.values()))
        cut = [np.concatenate([self._cut_file(file, scale, rng) for scale in self.scales]) for file in files]
        notes.append(f"patches of the same {len(files)} images are in every part")
        y = np.repeat(np.arange(len(files)), [len(part) for part in cut])
        return Raw(np.concatenate(cut), y, [], [file.name for file in files], notes)

    def _cut_file(self, file: Path, scale: float, rng: np.random.Generator) -> np.ndarray:
        whole = read_image(file, self.grey)
        if scale != 1:
            whole = read_image(file, self.grey, [round(scale * side) for side in whole.shape[1:]])
        if min(whole.shape[1:]) < self.size:
            seen = f"{whole.shape[2]} x {whole.shape[1]} pixels at scale {scale:g}"
            raise UserError(f"data.source.size={self.size}: the image {file} has {seen}")
        return cut_patches(whole.transpose(1, 2, 0), self.size, rng)
