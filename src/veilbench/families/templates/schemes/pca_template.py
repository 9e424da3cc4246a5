"""Principal components as they are: what "the server only has an embedding" amounts to at its simplest."""

from __future__ import annotations

from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.raw_template import RawTemplate


class PcaTemplate(RawTemplate):
    """Keeps principal components (Turk and Pentland 1991), which give most of the image back.

    Args:
        extractor: one that keeps components.
    """

    def __init__(self, extractor: Extractor) -> None:
        if extractor.components is None:
            raise ValueError("extractor.components=None must be a number, how many principal components are kept")
        super().__init__(extractor)
