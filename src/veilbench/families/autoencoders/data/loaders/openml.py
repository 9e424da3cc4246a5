"""Tables from openml.org."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Count, Positive
from veilbench.families.autoencoders.data.loaders.fetching import download_folder, write_atomically
from veilbench.families.autoencoders.data.loaders.table_file import TableFile
from veilbench.families.autoencoders.data.raw import Raw


class OpenML:
    """Reads a table of OpenML (Vanschoren et al. 2014), downloaded once as Parquet; the file may be put by hand.

    Args:
        data_id: number of the table on openml.org, which identifies one version, unlike its name.
        label: column of the classes; None means that there are none.
        missing: treatment of missing values, as in `TableFile`: "error", "drop" or "median".
        one_hot_most: maximum number of values of a text column; more are rejected.
        missing_words: additional words that stand for a missing value, such as `n.a.`.
        texts: columns that hold texts although their cells look like numbers, such as codes.
        home: folder of the file `openml_<data_id>.parquet`.
        seconds: time limit for each answer of the network, in seconds.
    """

    def __init__(
        self,
        data_id: Count,
        label: str | None = None,
        missing: Literal["error", "drop", "median"] = "error",
        one_hot_most: Annotated[Count, Ge(2)] = 20,
        missing_words: Sequence[str] = (),
        texts: Sequence[str] = (),
        home: str = "data",
        seconds: Positive = 30.0,
    ) -> None:
        self.path = Path(home) / f"openml_{data_id}.parquet"
        self.data_id, self.seconds = data_id, seconds
        self.table = TableFile(str(self.path), label, missing, one_hot_most, missing_words, texts)

    def read(self, rng: np.random.Generator) -> Raw:
        """Read the whole table, and download it first if its file does not exist.

        Raises:
            UserError: the download failed, in which case the message names the file to provide; or as in `TableFile`.
        """
        if not self.path.is_file():
            from sklearn.datasets import fetch_openml

            what = f"table {self.data_id} of openml.org"
            with download_folder(what, f"{self.path}, the whole table", self.seconds) as folder:
                bunch = fetch_openml(
                    data_id=self.data_id, data_home=folder, as_frame=True, parser="pandas", n_retries=2, delay=1.0
                )
            with write_atomically(self.path) as partial:
                bunch.frame.to_parquet(partial, index=False)
        return self.table.read(rng)
