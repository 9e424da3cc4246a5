"""One network in three forms, on the same people: weights, an ONNX file, and embeddings that it computed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from safetensors.torch import save_file
from small_face_net import SmallFaceNet

from veilbench.families.templates.data.embeddings import EmbeddingsData
from veilbench.families.templates.data.identities import Identities, IdentitiesData
from veilbench.families.templates.data.loaders.embedding_table import EmbeddingTable
from veilbench.families.templates.data.loaders.identity_npz import IdentityNpz
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.schemes.extractor import Extractor
from veilbench.families.templates.wrapped.embedding_extractor import EmbeddingExtractor
from veilbench.families.templates.wrapped.onnx_extractor import OnnxExtractor
from veilbench.families.templates.wrapped.torch_extractor import TorchExtractor

FORMS = ("net.safetensors", "net.pt", "net.onnx", "embeddings.npz", "embeddings.csv", "embeddings.parquet")
SPLIT = (0.1, 0.4, 0.5)


@dataclass(frozen=True)
class Finished:
    """Files of the network, and what it computes.

    Attributes:
        folder: holds net.safetensors, net.pt, net.onnx, images.npz, and embeddings as .npz, .csv and .parquet.
        net: the network, in evaluation mode.
        images: all images, shape (n, 1, 24, 24), uint8.
    """

    folder: Path
    net: SmallFaceNet
    images: np.ndarray

    def path(self, name: str) -> str:
        return str(self.folder / name)


def write(made: Finished, who: np.ndarray, embeddings: np.ndarray) -> None:
    save_file(made.net.state_dict(), made.path("net.safetensors"))
    torch.save({"state_dict": made.net.state_dict(), "epoch": 3}, made.path("net.pt"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the newer exporter needs onnxscript
        names: Any = {"input_names": ["images"], "dynamic_axes": {"images": {0: "n"}}}
        torch.onnx.export(made.net, (torch.zeros(2, 1, 24, 24),), made.path("net.onnx"), dynamo=False, **names)
    np.savez(made.path("images.npz"), images=made.images[:, 0], identities=who)
    sex = np.array(["f", "m"])[(embeddings[:, 0] > np.median(embeddings[:, 0])).astype(int)]
    np.savez(made.path("embeddings.npz"), embeddings=embeddings, identity=who, sex=sex)
    columns = {f"e{i}": column for i, column in enumerate(embeddings.T)}
    pandas.DataFrame({"identity": who, "sex": sex, **columns}).to_csv(made.path("embeddings.csv"), index=False)
    listed = pandas.DataFrame({"identity": who, "vector": list(embeddings), "sex": sex})
    listed.to_parquet(made.path("embeddings.parquet"))


def through_files(data: IdentitiesData, folder: Path) -> Identities:
    folder.mkdir()
    data.prepare(folder)
    return data.load(folder)


def extractor_of(form: str, finished: Finished) -> Extractor:
    if form.startswith("embeddings"):
        return EmbeddingExtractor()
    if form == "net.onnx":
        return OnnxExtractor(finished.path(form))
    return TorchExtractor({"_target_": "small_face_net.SmallFaceNet", "embedding": 24}, finished.path(form))


def data_of(form: str, finished: Finished) -> IdentitiesData:
    if form.startswith("embeddings"):
        column = "vector" if form.endswith("parquet") else None
        return EmbeddingsData(EmbeddingTable(finished.path(form), embeddings=column, attributes=["sex"]), SPLIT)
    return IdentitiesData(IdentityNpz(finished.path("images.npz")), SPLIT)


def fitted(scheme: TemplateScheme, form: str, finished: Finished, people: dict[str, Identities]) -> TemplateScheme:
    chosen = scheme.with_extractor(extractor_of(form, finished))
    return chosen.fit(people[form], np.random.default_rng(0))
