"""Autoencoders, which encode rows and images and reconstruct them.

The names below are for plug-ins: the contracts of models, data and attacks.
"""

from typing import TYPE_CHECKING

from veilbench.bench.lazy_names import import_on_use

if TYPE_CHECKING:  # read by type checkers, and by `bench.sources` for the digests of code
    from veilbench.families.autoencoders.data.raw import Raw, Source
    from veilbench.families.autoencoders.data.rows import Rows, RowsData
    from veilbench.families.autoencoders.schemes.base import Detector, DifferentiableDetector, Representation, Restorer

__all__ = [
    "Detector",
    "DifferentiableDetector",
    "Raw",
    "Representation",
    "Restorer",
    "Rows",
    "RowsData",
    "Source",
]

__getattr__ = import_on_use(
    __name__,
    {
        "Detector": "schemes.base",
        "DifferentiableDetector": "schemes.base",
        "Raw": "data.raw",
        "Representation": "schemes.base",
        "Restorer": "schemes.base",
        "Rows": "data.rows",
        "RowsData": "data.rows",
        "Source": "data.raw",
    },
)
