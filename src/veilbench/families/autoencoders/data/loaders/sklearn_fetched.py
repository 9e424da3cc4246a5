"""Larger data sets that scikit-learn downloads once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from veilbench.bench.limits import Positive
from veilbench.families.autoencoders.data.loaders.fetching import download_folder, write_atomically
from veilbench.families.autoencoders.data.loaders.npz_file import NpzFile
from veilbench.families.autoencoders.data.loaders.table_file import TableFile
from veilbench.families.autoencoders.data.raw import Raw

IMAGES: dict[str, dict[str, Any]] = {
    "olivetti_faces": {},
    "lfw_people": {"min_faces_per_person": 20},
}
LABELS = {"covtype": "Cover_Type", "kddcup99": "labels", "california_housing": None}
ONE_HOT_MOST = 100  # kddcup99 names 70 network services


class SklearnFetched:
    """Reads a data set that scikit-learn downloads and verifies; stored as one file, which may be put by hand.

    `olivetti_faces`: 400 images of 40 people, 64 x 64. `lfw_people`: the 62 people with 20 images or more of Labeled
    Faces in the Wild, 62 x 47. `covtype`: 581,012 patches of forest by 54 measurements, 7 kinds of trees. `kddcup99`:
    a tenth of the network connections of KDD Cup 1999, 23 kinds of traffic. `california_housing`: 20,640 districts by
    9 numbers, no classes. Images of one person may be in several parts: the parts are not disjoint by identity.

    Args:
        name: name of the data set, one of those above.
        home: folder of the file: `<name>.npz` with `X` and `y` for images, `<name>.parquet` for tables.
        seconds: time limit for each answer of the network, in seconds.
    """

    def __init__(
        self,
        name: Literal["olivetti_faces", "lfw_people", "covtype", "kddcup99", "california_housing"],
        home: str = "data",
        seconds: Positive = 30.0,
    ) -> None:
        if name not in (*IMAGES, *LABELS):
            raise ValueError(f"name={name!r} must be one of {', '.join([*IMAGES, *LABELS])}")
        self.name, self.home, self.seconds = name, home, seconds

    def read(self, rng: np.random.Generator) -> Raw:
        """Read the whole data set, and download it first if its file does not exist.

        Raises:
            UserError: the download failed; the message names the file to provide.
        """
        path = Path(self.home) / f"{self.name}.{'npz' if self.name in IMAGES else 'parquet'}"
        if not path.is_file():
            holding = "arrays X (n, height, width) and y (n,)" if self.name in IMAGES else "a table"
            with download_folder(self.name, f"{path}, {holding}", self.seconds) as folder:
                bunch = self._fetch(folder)
            with write_atomically(path) as partial:
                _write(bunch, partial)
        if self.name in IMAGES:
            return NpzFile(str(path)).read(rng)
        return TableFile(str(path), LABELS[self.name], one_hot_most=ONE_HOT_MOST).read(rng)

    def _fetch(self, folder: str) -> Any:
        from sklearn import datasets

        options = IMAGES.get(self.name, {"as_frame": True})
        return getattr(datasets, f"fetch_{self.name}")(data_home=folder, n_retries=2, delay=1.0, **options)


def _write(bunch: Any, path: Path) -> None:
    if "images" in bunch:
        names = np.asarray(bunch["target_names"])[bunch.target] if "target_names" in bunch else bunch.target
        with path.open("wb") as file:
            np.savez_compressed(file, X=np.asarray(bunch.images, np.float32), y=names)
        return
    frame = bunch.frame.copy()
    for name in frame.select_dtypes(object):
        frame[name] = [value.decode("ascii") if isinstance(value, bytes) else value for value in frame[name]]
    frame.infer_objects().to_parquet(path, index=False)
