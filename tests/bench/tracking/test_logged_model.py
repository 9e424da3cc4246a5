"""Models that MLflow loads: one of each family, and what they answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from made_records import FAMILY, config, job, make
from mlflow import pyfunc
from mlflow.tracking import MlflowClient
from mlflow.utils.model_utils import _get_flavor_configuration

from veilbench.bench.stages import TRAINED
from veilbench.bench.trained_model import TrainedModel
from veilbench.bench.tracking.logged_model import requirements, write_model_folder
from veilbench.bench.tracking.publishing import publish
from veilbench.bench.tracking.pyfunc import to_array
from veilbench.families.autoencoders.baselines.pca import Pca
from veilbench.families.ciphers.baselines.aes_ctr import AesCtr
from veilbench.families.mail.data.vocabulary import Vocabulary
from veilbench.families.mail.schemes.filter import MailFilter
from veilbench.families.templates.schemes.biohash import Biohash
from veilbench.families.templates.schemes.image_extractor import ImageExtractor
from veilbench.version import __version__

RNG = np.random.default_rng(0)
TEXTS = ["Hello world", "free money"]
IMAGES = RNG.random((3, 1, 24, 24), np.float32)
ROWS = RNG.random((20, 4), np.float32)


def loaded(model: TrainedModel, folder: Path) -> Any:
    """Save a model as a stage does, write it in MLflow's format, and load it."""
    (folder / "train").mkdir()
    (folder / "logged").mkdir()
    model.save(folder / "train")
    write_model_folder(folder / "logged", folder / "train", "m-1", "1")
    return pyfunc.load_model(str(folder / "logged"))
