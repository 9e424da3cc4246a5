"""Open features compare as a scheme's templates do only if these are rotated at most."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veilbench.families.templates.nets.print_encoder import PrintEncoder
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.hashmap import HashmapScheme
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.open_features import OpenFeatures
from veilbench.families.templates.schemes.orthonormal import draw_orthonormal
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate

IMAGES = np.random.default_rng(0).random((16, 1, 24, 24), np.float32)
WHOLE = ImageExtractor("pixels", None)


def hashmap(**settings: bool | float) -> HashmapScheme:
    torch.manual_seed(0)
    return HashmapScheme(PrintEncoder(12, (8,)), **settings)  # type: ignore[arg-type]


class RotatedUnderOneKey(RawTemplate):
    """Keeps features under key 0, and some of them alone under others."""

    keyed = True

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        first = rng.random() == np.random.default_rng(0).random()
        return features if first else features @ draw_orthonormal(features.shape[1], 9, rng)


@pytest.mark.parametrize(
    ("scheme", "alike"),
    [
        (RawTemplate(WHOLE), True),
        (hashmap(), True),
        (hashmap(keyed=True), True),
        (hashmap(binary=True), False),
        (hashmap(noise=0.1), False),
        (RandomProjection(WHOLE, 500), False),
        (Biohash(WHOLE, 500), False),
        (RotatedUnderOneKey(WHOLE), False),
    ],
    ids=["raw", "hashmap", "keyed", "binary", "noisy", "projected", "biohash", "other key"],
)
def test_rotations_alone_change_no_score(scheme: TemplateScheme, alike: bool) -> None:
    assert OpenFeatures.of(scheme).compares_alike(IMAGES) == alike
