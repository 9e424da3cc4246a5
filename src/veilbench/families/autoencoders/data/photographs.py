"""Patches to train on, and whole photographs from other files to test on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from annotated_types import Ge

from veilbench.bench import prepared
from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Seed, Share
from veilbench.families.autoencoders.data.raw import Source
from veilbench.families.autoencoders.data.rows import NAME, Rows, RowsData

WHOLES = "wholes"  # name of the folder of the whole images


@dataclass(frozen=True)
class Photographs(Rows):
    """Patches, split into parts, and whole images from other files.

    Attributes:
        wholes: maps a name to an image of any size, shape (channels, height, width), float32.
    """

    wholes: dict[str, np.ndarray] = field(default_factory=dict)


class ImageSource(Protocol):
    """Interface of a loader of whole images."""

    def read(self, notes: list[str]) -> dict[str, np.ndarray]:
        """Read images by name, shape (channels, height, width), float32 in [0, 1]; changes are added to the notes."""
        ...


class PhotographsData(RowsData):
    """Patches split as by `RowsData`, together with whole images. Test patches are from the same files as the others.

    Args:
        source: loader of the patches.
        wholes: loader of the whole images; it is not checked that they differ from the training files.
        split: shares of the patches for train, validation, auxiliary and test; they sum to 1.
        most_rows: maximum number of patches, taken at random; None takes all.
        seed: seed of the patches' generation, shuffling and split.
    """

    data_kind = Photographs
    any_size = True

    def __init__(
        self,
        source: Source,
        wholes: ImageSource,
        split: Sequence[Share] = (0.85, 0.05, 0.05, 0.05),
        most_rows: Annotated[Count, Ge(4)] | None = None,
        seed: Seed = 0,
    ) -> None:
        scale: Literal["none"] = "none"
        super().__init__(source, split, scale, (), most_rows, seed)
        self.wholes = wholes

    def prepare(self, folder: Path) -> None:
        """Prepare the patches as `RowsData` does, and write the whole images to a subfolder.

        Raises:
            UserError: the patches cannot be used, or the whole images have another number of channels than the patches.
        """
        super().prepare(folder)
        notes: list[str] = []
        wholes, channels = self.wholes.read(notes), super().load(folder).shape[0]
        for name, whole in wholes.items():
            if whole.shape[0] != channels:
                raise UserError(
                    f"data.wholes: {name} has {whole.shape[0]} channels, the patches have {channels}; set grey alike"
                )
        (folder / WHOLES).mkdir()
        arrays = {f"{place:06}": whole for place, whole in enumerate(wholes.values())}
        prepared.write(folder / WHOLES, NAME, arrays, {"names": list(wholes), "notes": notes})

    def load(self, folder: Path) -> Photographs:
        """Read what `prepare` wrote.

        Raises:
            UserError: a file is missing or damaged.
        """
        rows = super().load(folder)
        with prepared.read(folder / WHOLES, NAME) as (arrays, about):
            names, notes = (prepared.field(about, name, list[str]) for name in ("names", "notes"))
            if len(names) != len(arrays):
                raise ValueError(f"there are {len(names)} names in about.json for {len(arrays)} arrays")
            shape = (rows.shape[0], None, None)
            read = [require_array(arrays, key, np.float32, shape, low=0, high=1) for key in sorted(arrays)]
            wholes = dict(zip(names, read, strict=True))
            return Photographs(**{**vars(rows), "notes": [*rows.notes, *notes]}, wholes=wholes)
