"""What schemes say on tensors is what they say on arrays, and gradients flow."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from veilbench.families.templates.data.identities import Identities, Impressions
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.differentiable import DifferentiableScheme
from veilbench.families.templates.schemes.image_extractor import (
    ImageExtractor,
    compute_orientations,
    compute_orientations_tensor,
)
from veilbench.families.templates.schemes.noise_template import NoiseTemplate
from veilbench.families.templates.schemes.polyprotect import Polyprotect
from veilbench.families.templates.schemes.random_projection import RandomProjection
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.schemes.slerp_face import SlerpFace

EXTRACTORS = {
    "pixels": ImageExtractor("pixels", None),
    "components": ImageExtractor("pixels", 12),
    "orientation": ImageExtractor("orientation", None, grid=5),
    "whitened orientation": ImageExtractor("orientation", 8, True, 4),
}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((30, 1, 17, 14)).astype(np.float32)


def data(images: np.ndarray) -> Identities:
    numbers = np.arange(len(images))
    part = Impressions(images, numbers, numbers, {})
    return Identities(part, part, part, part, {}, [])


@pytest.mark.parametrize("name", EXTRACTORS)
def test_features_are_the_same_on_tensors_and_have_gradients(name: str, images: np.ndarray) -> None:
    extractor = EXTRACTORS[name].fit(images, np.random.default_rng(0))
    rows = torch.from_numpy(images).requires_grad_()
    made = extractor.extract_tensor(rows)
    np.testing.assert_allclose(made.detach().numpy(), extractor(images), atol=2e-6)
    (slope,) = torch.autograd.grad(made[:, 0].sum(), rows)
    assert (slope.flatten(1).norm(dim=1) > 0).all()


def test_orientations_are_the_same_where_cells_are_of_two_sizes(images: np.ndarray) -> None:
    made = compute_orientations_tensor(torch.from_numpy(images[:, 0]), 5).numpy()
    np.testing.assert_allclose(made, compute_orientations(images[:, 0], 5), atol=2e-6)


@pytest.mark.parametrize(
    "scheme",
    [
        RawTemplate(EXTRACTORS["pixels"]),
        RandomProjection(EXTRACTORS["components"], 7),
        Biohash(EXTRACTORS["components"], 9, 0.01),
        Polyprotect(EXTRACTORS["components"], 4, 1, largest=9),
        SlerpFace(EXTRACTORS["components"], 0.6, 0.25, 4),
    ],
    ids=lambda s: type(s).__name__,
)
def test_templates_and_likeness_are_the_same_on_tensors(scheme: DifferentiableScheme, images: np.ndarray) -> None:
    fitted = scheme.fit(data(images), np.random.default_rng(0))
    assert isinstance(fitted, DifferentiableScheme)
    keys = np.random.default_rng(1).integers(0, 3, len(images)).astype(np.uint64)
    rows = torch.from_numpy(images).requires_grad_()
    made = fitted.protect_tensor(fitted.features_tensor(rows), keys)
    templates = fitted.enroll(images, keys)
    np.testing.assert_allclose(made.detach().numpy(), templates, atol=2e-6)
    wanted = np.roll(templates, 1, 0)
    likeness = fitted.similarity_tensor(made, torch.from_numpy(wanted.astype(np.float32)))
    np.testing.assert_allclose(likeness.detach().numpy(), fitted.compare(templates, wanted), atol=2e-6)
    (slope,) = torch.autograd.grad(likeness.sum(), rows)
    assert slope.abs().sum() > 0


def test_noise_matches_itself_alone(images: np.ndarray) -> None:
    scheme = NoiseTemplate(EXTRACTORS["pixels"], 50)
    features = scheme.features(images)
    nudged = features.copy()
    nudged[:, 0] = np.nextafter(nudged[:, 0], np.float32(9))
    keys, others = np.full(30, 1, np.uint64), np.full(30, 2, np.uint64)
    made = scheme.protect(features, keys)
    np.testing.assert_array_equal(made, scheme.protect(features, keys))
    assert np.abs(scheme.compare(made, scheme.protect(nudged, keys))).max() < 0.7
    assert np.abs(scheme.compare(made, scheme.protect(features, others))).max() < 0.7
    assert abs(scheme.compare_all(made, made)[~np.eye(30, dtype=bool)].mean()) < 0.02
