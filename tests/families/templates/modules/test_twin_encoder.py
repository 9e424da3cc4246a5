"""The encoder of ridges: its network, and the trained one that comes with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build
from veilbench.families.templates.data.prints.generator import Prints
from veilbench.families.templates.data.prints.sensor import Sensor
from veilbench.families.templates.modules.twin_encoder import TwinEncoder
from veilbench.families.templates.schemes.extractor import Extractor, describe_extractor, restore_extractor
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.workflow.compose import composed, plain

SETTINGS = ["experiment=ridge_template"]


@pytest.fixture(scope="module")
def included() -> Extractor:
    extractor = build(plain(composed(SETTINGS))["model"]).extractor
    assert isinstance(extractor, Extractor)
    return extractor.fit(np.zeros((1, 1, 96, 96), np.float32), np.random.default_rng(0))


@pytest.fixture(scope="module")
def fingers() -> tuple[np.ndarray, np.ndarray]:
    """Two impressions of 40 fingers, and two of each finger's twin, both of shape (40, 2, 1, 96, 96)."""
    source = Prints(Sensor(), identities=40, impressions=2, seed=77)
    twins = source.generate_twins(np.arange(40))
    assert twins is not None
    return tuple(one.samples.reshape(40, 2, 1, 96, 96).astype(np.float32) / 255 for one in (source.read(), twins))  # type: ignore[return-value]


def separate_twins(extractor: Extractor, fingers: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return the AUROC of the same finger against its twin, and against the next finger."""
    own, twin = (extractor(images.reshape(-1, 1, 96, 96)).reshape(40, 2, -1) for images in fingers)
    first, second = own[:, 0], own[:, 1]
    same = (first * second).sum(1)
    others = [(first * twin[:, 1]).sum(1), (first * np.roll(second, 1, 0)).sum(1)]
    truth = np.r_[np.ones(40), np.zeros(40)]
    aurocs = [float(roc_auc_score(truth, np.r_[same, scores])) for scores in others]
    return aurocs[0], aurocs[1]


def test_the_included_encoder_tells_twins_apart_and_ridge_directions_do_not(
    included: Extractor, fingers: tuple[np.ndarray, np.ndarray]
) -> None:
    twin, stranger = separate_twins(included, fingers)
    assert min(twin, stranger) > 0.97
    directions = ImageExtractor("orientation", components=None).fit(fingers[0][:, 0], np.random.default_rng(0))
    assert separate_twins(directions, fingers)[0] < 0.7


def test_a_saved_model_holds_the_included_weights(included: Extractor, fingers: tuple[np.ndarray, np.ndarray]) -> None:
    again = restore_extractor(describe_extractor(included), included.arrays())
    assert np.array_equal(again(fingers[0][:, 0]), included(fingers[0][:, 0]))


def test_a_file_of_one_s_own_is_not_replaced_by_the_included_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twin_encoder").mkdir()
    (tmp_path / "twin_encoder" / "model.safetensors").write_bytes(b"mine")
    extractor = build(plain(composed(SETTINGS))["model"]).extractor
    with pytest.raises(UserError, match=r"twin_encoder/model\.safetensors"):
        extractor.fit(np.zeros((1, 1, 96, 96), np.float32), np.random.default_rng(0))


@torch.no_grad()
def test_a_code_depends_on_where_a_feature_is_and_not_on_contrast() -> None:
    torch.manual_seed(0)
    net = TwinEncoder(code=16, widths=(4, 8), blocks=(1, 1), squeezed=4, size=32).eval()
    images = torch.rand(2, 1, 32, 32)
    assert net(images).shape == (2, 16)
    torch.testing.assert_close(net(0.5 * images + 0.2), net(images), atol=1e-4, rtol=1e-3)
    assert (net(images.roll(16, 3)) - net(images)).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"blocks": (1, 1)}, r"blocks=\[1, 1\] must have as many numbers as widths=\[16, 32, 64, 96\]"),
        ({"size": 90}, r"size=90 must be a multiple of 16, for 4 widths"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TwinEncoder(**settings)  # type: ignore[arg-type]
