"""An ONNX file as an extractor."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.errors import UserError
from veilbench.bench.limits import require_arguments
from veilbench.families.templates.wrapped.image_input import ImageInput
from veilbench.families.templates.wrapped.network_extractor import NetworkExtractor, restore_images
from veilbench.families.templates.wrapped.onnx_network import OnnxNetwork, why_without_gradients
from veilbench.nets.onnx_graph import OnnxGraph

PROBES = 2  # training images that the converted network is compared on


class OnnxExtractor(NetworkExtractor):
    """Applies an ONNX file with ONNX Runtime. A saved model holds the whole file.

    Gradients come from the same graph in torch, see `OnnxNetwork`. If torch cannot evaluate it, or not to the same
    result, `lacks` says why, and attacks use other ways.

    Args:
        file: path of an .onnx file with the weights inside, whose one input are images (n, channels, height, width)
            and whose first output are embeddings (n, d).
        images: size and scaling of the images that the network expects.
        no_gradients: why there are no gradients, as `fit` finds out; empty if there are.
    """

    def __init__(self, file: str, images: ImageInput = ImageInput(), no_gradients: str = "") -> None:
        super().__init__(images)
        if Path(file).suffix.lower() != ".onnx":
            raise ValueError(f"file={file} must end in .onnx")
        self.file, self.no_gradients = file, no_gradients
        self.graph: OnnxGraph | None = None
        self.network: OnnxNetwork | None = None

    def fit(self, samples: np.ndarray, rng: np.random.Generator) -> Self:
        """Return a copy that has read the file; nothing is fitted to the samples.

        Raises:
            UserError: the file cannot be read, or does not take the images.
        """
        made = copy.copy(self)
        made.graph = OnnxGraph.read(self.file)
        probes = self.images.prepare(torch.from_numpy(np.ascontiguousarray(samples[:PROBES], np.float32)))
        made.no_gradients = self.no_gradients or why_without_gradients(made.graph, probes.numpy())
        made.network = None if made.no_gradients else OnnxNetwork.of(made.graph.content)
        return made

    def compute(self, inputs: Tensor) -> Tensor:
        """Return the outputs of ONNX Runtime, shape (n, channels, height, width) to (n, ...)."""
        return torch.from_numpy(self._read()(inputs.cpu().numpy()))

    def differentiate(self, inputs: Tensor) -> Tensor:
        """Return the outputs with gradients, from torch.

        Raises:
            UserError: torch cannot evaluate the graph.
        """
        if self.network is None:
            raise UserError(self.no_gradients or "the ONNX file has not been read")
        outputs: Tensor = self.network.to(inputs.device)(inputs)
        return outputs

    def lacks(self) -> Mapping[str, str]:
        """Return {"gradients": reason} if torch cannot evaluate the graph."""
        return {"gradients": self.no_gradients} if self.no_gradients else {}

    def settings(self) -> dict[str, Any]:
        """Return the name of the file, the images' settings, and why there are no gradients."""
        return {"file": Path(self.file).name, "images": self.image_settings(), "no_gradients": self.no_gradients}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bytes of the file, shape (bytes,), uint8."""
        return {"onnx": np.frombuffer(self._read().content, np.uint8)}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the extractor from what `settings` and `arrays` returned."""
        complete = settings | {"images": restore_images(settings)}
        require_arguments(cls, complete, "settings.extractor")
        extractor = cls(**complete)
        extractor.graph = OnnxGraph(require_array(arrays, "onnx", np.uint8, (None,)).tobytes(), extractor.file)
        extractor.network = None if extractor.no_gradients else OnnxNetwork.of(extractor.graph.content)
        return extractor

    def _read(self) -> OnnxGraph:
        if self.graph is None:
            raise UserError(f"file={self.file} has not been read")
        return self.graph
