"""A trained encoder and decoder of PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build_as
from veilbench.bench.limits import require_value
from veilbench.bench.roots import find_class
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector
from veilbench.families.autoencoders.wrapped.coded_detector import CodedDetector

if TYPE_CHECKING:
    from torch import Tensor, nn

AT_ONCE = 1024  # rows per forward pass, to bound the memory
PARTS = ("encoder", "decoder")


class TorchAutoencoder(CodedDetector, DifferentiableDetector):
    """Two PyTorch modules with trained weights: rows to codes, and codes to rows.

    The saved model holds the weights, and the modules by name.

    Args:
        encoder: config node of the encoder, a `torch.nn.Module` of a registered package, as `_target_` and arguments.
        encoder_weights: path of its weights, see `nets.weights_file.read_weights`. If names in the file start with
            `encoder.`, these are taken and the others left out, so that one file may hold both modules.
        decoder: config node of the decoder, like that of the encoder; None if there is no decoder.
        decoder_weights: path of its weights, which may be the file of the encoder; None without a decoder.
        flat: whether the modules take and give images as vectors; tables are vectors anyway.
    """

    takes_nodes: ClassVar[tuple[str, ...]] = PARTS

    def __init__(
        self,
        encoder: Any,
        encoder_weights: str,
        decoder: Any = None,
        decoder_weights: str | None = None,
        flat: bool = False,
    ) -> None:
        super().__init__(flat)
        if (decoder is None) != (decoder_weights is None):
            raise ValueError(f"decoder_weights={decoder_weights!r} must be given with decoder, and only with it")
        self.nodes = {"encoder": encoder, "decoder": decoder}
        self.paths = {"encoder": encoder_weights, "decoder": decoder_weights}
        self.nets: dict[str, nn.Module] = {}  # once the weights are read
        for name, node in self.nodes.items():
            _require_module(node, name)

    @property
    def has_decoder(self) -> bool:
        """Whether the model has a decoder."""
        return self.nodes["decoder"] is not None

    def read_files(self) -> None:
        """Build the modules and read their weights.

        Raises:
            UserError: a file is missing or damaged, or does not fit its module.
        """
        from veilbench.nets.weights_file import read_weights

        read = {name: _select(read_weights(path), f"{name}.") for name, path in self.paths.items() if path}
        self.nets = {name: self._build(name, weights, f"weights={self.paths[name]}") for name, weights in read.items()}

    def _build(self, name: str, weights: Mapping[str, np.ndarray], where: str) -> nn.Module:
        from torch import nn

        from veilbench.nets.saved_weights import load_weights

        net = build_as(nn.Module, self.nodes[name], name)
        try:
            load_weights(net, weights)
        except ValueError as error:
            raise UserError(f"{where} do not fit {name}={type(net).__name__}: {error}") from error
        return net.eval().requires_grad_(False)

    def apply_encoder(self, rows: np.ndarray) -> np.ndarray:
        """Apply the encoder to rows in the shape that it takes, shape (n, ...) to (n, ...), float32."""
        return self._apply("encoder", rows)

    def apply_decoder(self, codes: np.ndarray) -> np.ndarray:
        """Apply the decoder to codes in the shape that the encoder gives, shape (n, ...) to (n, ...), float32."""
        return self._apply("decoder", codes)

    def _apply(self, name: str, x: np.ndarray) -> np.ndarray:
        from veilbench.nets.in_parts import apply_in_parts

        try:
            return apply_in_parts(self.nets[name].cpu(), x, AT_ONCE)  # gradients may have moved it
        except RuntimeError as error:  # torch's error for shapes that do not fit
            said = " ".join(str(error).split())
            raise UserError(f"{name}={self.nodes[name]['_target_']} cannot take shape {x.shape[1:]}: {said}") from error

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        encoder, decoder = (self.nets[name].to(rows.device) for name in PARTS)
        back: Tensor = decoder(encoder(rows.flatten(1) if self.flat else rows))
        return ((rows.flatten(1) - back.flatten(1)) ** 2).mean(1)

    def settings(self) -> dict[str, Any]:
        """Return the modules as config nodes, and the shapes; the paths of the weights are no longer needed."""
        return {**self.nodes, **super().settings()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights of both modules."""
        return {f"{n}.{key}": w.cpu().numpy() for n, net in self.nets.items() for key, w in net.state_dict().items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> TorchAutoencoder:
        """Build the modules from their nodes and load the saved weights."""
        require_value(bool, settings.get("flat"), "settings.flat")
        paths = ["model.safetensors" if settings.get(name) else None for name in PARTS]
        model = cls(settings.get("encoder"), str(paths[0]), settings.get("decoder"), paths[1], settings["flat"])
        model.restore_shapes(settings)
        names = [name for name in PARTS if model.nodes[name]]
        model.nets = {name: model._build(name, _select(arrays, f"{name}."), "the saved weights") for name in names}
        return model


def _require_module(node: Any, name: str) -> None:
    from torch import nn

    if node is None and name == "decoder":
        return
    if not isinstance(node, Mapping):
        raise ValueError(f"{name}={node!r} must be a config node with a _target_")
    find_class(node.get("_target_"), nn.Module, f"model.{name}._target_")


def _select(weights: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the weights whose names start with a prefix, without it; all of them if there is none."""
    chosen = {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}
    return chosen or dict(weights)
