"""Face images that scikit-learn downloads once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from veilbench.bench.errors import UserError
from veilbench.bench.limits import Count, Positive
from veilbench.families.templates.data.loaders.identity_npz import number_impressions, to_uint8
from veilbench.families.templates.data.raw_identities import RawIdentities

FILES = {"olivetti": "olivetti_py3.pkz", "lfw": "lfw_home/lfw-funneled.tgz"}


class SklearnFaces:
    """Reads Olivetti faces (40 people x 10 images) or Labeled Faces in the Wild.

    Args:
        name: collection: "olivetti", or "lfw" for Labeled Faces in the Wild.
        folder: scikit-learn's data folder; None is its default, `~/scikit_learn_data` or `$SCIKIT_LEARN_DATA`.
        fewest: smallest number of images per person for `lfw`; other people are left out.
        shrink: scale of the images for `lfw`: 0.5 makes them 62 x 47 pixels.
    """

    def __init__(
        self,
        name: Literal["olivetti", "lfw"] = "olivetti",
        folder: str | None = None,
        fewest: Annotated[Count, Ge(2)] = 10,
        shrink: Positive = 0.5,
    ) -> None:
        self.name, self.folder, self.fewest, self.shrink = name, folder, fewest, shrink

    def read(self) -> RawIdentities:
        """Download the images, or read those downloaded before.

        Raises:
            UserError: the images are not on this machine and cannot be downloaded.
        """
        from sklearn.datasets import get_data_home

        try:
            bunch = self._fetch()
        except OSError as error:  # urllib's errors are OSErrors
            file = f"{get_data_home(self.folder)}/{FILES[self.name]}"
            raise UserError(
                f"the faces {self.name} are not on this machine and cannot be fetched ({error}); on a machine with a "
                f"network, run sklearn.datasets.{self._fetch_function()}() and copy {file} here, or use data=prints"
            ) from error
        images = to_uint8(np.asarray(bunch.images), self.name)
        people = np.asarray(bunch.target, np.int64)
        return RawIdentities(images, people, number_impressions(people))

    def _fetch_function(self) -> str:
        return {"olivetti": "fetch_olivetti_faces", "lfw": "fetch_lfw_people"}[self.name]

    def _fetch(self) -> Any:
        import sklearn.datasets

        fetch = getattr(sklearn.datasets, self._fetch_function())
        more = {"min_faces_per_person": self.fewest, "resize": self.shrink} if self.name == "lfw" else {}
        return fetch(data_home=self.folder, n_retries=1, delay=0.1, **more)
