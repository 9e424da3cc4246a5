"""Unprotected principal components: the simplest case of a server that "only has an embedding"."""

from __future__ import annotations

from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.schemes.raw_template import RawTemplate


class PcaTemplate(RawTemplate):
    """Keeps principal components (Turk and Pentland 1991), from which most of the image can be reconstructed.

    Args:
        extractor: extractor whose `components` is a number.
    """

    def __init__(self, extractor: Extractor) -> None:
        if extractor.components is None:
            raise ValueError("extractor.components=None must be a number, how many principal components are kept")
        super().__init__(extractor)
