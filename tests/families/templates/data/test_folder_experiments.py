"""Every template experiment composes with a folder of images in place of its own data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from veilbench.workflow.compose import composed, plain
from veilbench.workflow.conf import conf_folders

CONF = conf_folders()[-1]


def is_template_experiment(path: Path) -> bool:
    """Return whether an experiment derives from base/templates."""
    defaults = yaml.safe_load(path.read_text(encoding="utf8")).get("defaults", [])
    bases = [path.parent / f"{name}.yaml" for name in defaults if isinstance(name, str) and name != "_self_"]
    return path.stem == "templates" or any(is_template_experiment(base) for base in bases)


NO_IMAGES = ("embeddings", "embeddings_biohash")  # for data without images
FILES = sorted((CONF / "experiment").glob("*.yaml"))
EXPERIMENTS = [path.stem for path in FILES if is_template_experiment(path) and path.stem not in NO_IMAGES]


def test_the_template_experiments_are_found() -> None:
    assert {"hashmap", "biohash", "hashmap_faces", "pca_template_faces"} <= set(EXPERIMENTS)
    assert "pca" not in EXPERIMENTS


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_folder_of_images_takes_the_place_of_the_data(name: str) -> None:
    config = plain(composed([f"experiment={name}", "data=image_folder", "data.source.folder=portraits"]))
    assert config["data"]["source"]["folder"] == "portraits"
    assert config["attack"]
