"""Unprotected principal components: the simplest example of a server that stores embeddings."""

from __future__ import annotations

from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.raw_template import RawTemplate


class PcaTemplate(RawTemplate):
    """Stores principal components (Turk and Pentland 1991), from which the image can be approximately reconstructed.

    With `extractor.whiten` the components have variance 1 over the training images, as in scikit-learn's
    `PCA(whiten=True)`: the leading ones, mostly lighting in faces, then weigh no more than the others.

    Args:
        extractor: extractor whose `components` is a number.
    """

    def __init__(self, extractor: ImageExtractor) -> None:
        if extractor.components is None:
            raise ValueError("model.extractor.components=None must be a number, that of the principal components")
        super().__init__(extractor)
