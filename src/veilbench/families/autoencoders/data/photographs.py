"""Patches to learn from, and whole photographs of other files to be measured on."""

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

WHOLES = "wholes"  # folder of the whole images


@dataclass(frozen=True)
class Photographs(Rows):
    """Patches, dealt, and whole images that no patch is of.

    Attributes:
        wholes: name -> one image, shape (channels, height, width), float32; each of its own size.
    """

    wholes: dict[str, np.ndarray] = field(default_factory=dict)


class ImageSource(Protocol):
    """A loader of whole images."""

    def read(self, notes: list[str]) -> dict[str, np.ndarray]:
        """Name -> shape (channels, height, width), float32 in [0, 1]; what was done to them is added to the notes."""
        ...


class PhotographsData(RowsData):
    """Patches as `RowsData` deals them, and whole images beside them. The test of patches is of the patches' own files.

    Args:
        source: of the patches.
        wholes: of the whole images; one that has the pixels of a training file is not found out.
        split: see `RowsData`.
        most_rows: see `RowsData`.
        seed: see `RowsData`.
    """

    data_kind = Photographs

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
        """See `RowsData.prepare`; the whole images go into a folder of their own within.

        Raises:
            UserError: see `RowsData.prepare`; or the whole images have other channels than the patches.
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
