from __future__ import annotations

from pathlib import Path

import pytest
from desk import Desk, dataset, desk, trained

from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.families.templates.schemes.iom_grp import IomGrp
from veilbench.families.templates.schemes.pca_template import PcaTemplate

PCA = ImageExtractor("pixels", 32)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of trained models, by name; `unmeasured` has no evaluation."""
    root, data = tmp_path_factory.mktemp("models"), dataset()
    return {
        "pca": trained(root / "pca", PcaTemplate(PCA), data),
        "biohash": trained(root / "biohash", Biohash(PCA, 29), data),
        "other": trained(root / "other", Biohash(PCA, 24), data),
        "iom": trained(root / "iom", IomGrp(PCA, 60, 8), data),
        "unmeasured": trained(root / "unmeasured", PcaTemplate(ImageExtractor("pixels", 30)), data, None),
    }


@pytest.fixture
def at(tmp_path: Path) -> Desk:
    return desk(tmp_path)
