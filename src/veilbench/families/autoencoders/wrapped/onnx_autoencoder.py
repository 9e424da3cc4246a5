"""A trained encoder and decoder as ONNX files."""

from __future__ import annotations

from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import require_value
from veilbench.families.autoencoders.wrapped.coded_detector import CodedDetector
from veilbench.nets.onnx_graph import OnnxGraph


class OnnxAutoencoder(CodedDetector):
    """Two ONNX files: rows to codes, and codes to rows. There are no gradients.

    The saved model holds the files' bytes; files with external data are refused by ONNX Runtime.

    Args:
        encoder: path of the ONNX file of the encoder, with one input of shape (n, *shape).
        decoder: path of the ONNX file of the decoder, with one input of the code's shape; None if there is none.
        flat: whether the graphs take and give images as vectors; tables are vectors anyway.
    """

    def __init__(self, encoder: str, decoder: str | None = None, flat: bool = False) -> None:
        super().__init__(flat)
        self.paths = {"encoder": encoder} | ({"decoder": decoder} if decoder else {})
        self.graphs: dict[str, OnnxGraph] = {}  # once the files are read

    @property
    def has_decoder(self) -> bool:
        """Whether the model has a decoder."""
        return "decoder" in self.paths

    def read_files(self) -> None:
        """Read both files.

        Raises:
            UserError: a file is missing, or is no graph that ONNX Runtime can run.
        """
        self.graphs = {name: OnnxGraph.read(path) for name, path in self.paths.items()}

    def apply_encoder(self, rows: np.ndarray) -> np.ndarray:
        """Apply the encoder to rows in the shape that it takes, shape (n, ...) to (n, ...), float32."""
        return self.graphs["encoder"](rows)

    def apply_decoder(self, codes: np.ndarray) -> np.ndarray:
        """Apply the decoder to codes in the shape that the encoder gives, shape (n, ...) to (n, ...), float32."""
        return self.graphs["decoder"](codes)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bytes of the files, shape (bytes,), uint8."""
        return {name: np.frombuffer(graph.content, np.uint8) for name, graph in self.graphs.items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> OnnxAutoencoder:
        """Load the graphs from their saved bytes."""
        require_value(bool, settings.get("flat"), "settings.flat")
        model = cls("encoder", "decoder" if "decoder" in arrays else None, settings["flat"])
        model.restore_shapes(settings)
        contents = {name: require_array(arrays, name, np.uint8, (None,)).tobytes() for name in model.paths}
        model.graphs = {name: OnnxGraph(content, f"the saved {name}") for name, content in contents.items()}
        return model
