"""A torch module with trained weights as an extractor."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor, nn

from veilbench.bench.errors import UserError
from veilbench.bench.experiment import build_as
from veilbench.bench.limits import require_arguments
from veilbench.bench.roots import find_class
from veilbench.families.templates.included import find_weights
from veilbench.families.templates.wrapped.image_input import ImageInput
from veilbench.families.templates.wrapped.network_extractor import NetworkExtractor, restore_images
from veilbench.nets.saved_weights import load_weights
from veilbench.nets.weights_file import SUFFIXES, read_weights


class TorchExtractor(NetworkExtractor):
    """Applies a torch module with weights from a file. A saved model holds the weights, and the module's class by name.

    Args:
        module: the module's class as `_target_`, a `torch.nn.Module` of a registered package, and its constructor's
            arguments. It maps images, shape (n, channels, height, width), to embeddings, shape (n, d).
        weights: path of the module's state dict: .safetensors, or .pt and .pth of tensors alone; or that of an encoder
            which comes with the package, such as twin_encoder/model.safetensors.
        images: size and scaling of the images that the module expects.
    """

    takes_nodes = ("module",)

    def __init__(self, module: Any, weights: str, images: ImageInput = ImageInput()) -> None:
        super().__init__(images)
        if not isinstance(module, dict):
            raise ValueError(f"module={module!r} must be the class as _target_, and its arguments")
        find_class(module.get("_target_"), nn.Module, "module._target_")
        if Path(weights).suffix.lower() not in SUFFIXES:
            raise ValueError(f"weights={weights} must end in {', '.join(SUFFIXES)}")
        self.module, self.weights, self.net = module, weights, nn.Module()

    def fit(self, samples: np.ndarray, rng: np.random.Generator) -> Self:
        """Return a copy with the weights of the file; nothing is fitted to the samples.

        Raises:
            UserError: the file cannot be read, or its weights are not those of the module.
        """
        net = build_as(nn.Module, self.module, "module")
        try:
            load_weights(net, read_weights(find_weights(self.weights)))
        except ValueError as error:
            raise UserError(f"weights={self.weights} do not fit {type(net).__name__}: {error}") from error
        return self._with_net(net)

    def compute(self, inputs: Tensor) -> Tensor:
        """Return the module's outputs, shape (n, channels, height, width) to (n, ...)."""
        return self.differentiate(inputs)

    def differentiate(self, inputs: Tensor) -> Tensor:
        """Return the module's outputs with gradients."""
        outputs = self.net.to(inputs.device)(inputs)
        if not isinstance(outputs, Tensor):
            raise UserError(f"{self.module['_target_']} returns a {type(outputs).__name__}, and a tensor is needed")
        return outputs

    def settings(self) -> dict[str, Any]:
        """Return the module's description, the name of the file of weights, and the images' settings."""
        return {"module": self.module, "weights": Path(self.weights).name, "images": self.image_settings()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the module's weights."""
        return {name: weight.detach().cpu().numpy() for name, weight in self.net.state_dict().items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Rebuild the extractor from what `settings` and `arrays` returned."""
        complete = settings | {"images": restore_images(settings)}
        require_arguments(cls, complete, "settings.extractor")
        extractor = cls(**complete)
        net = build_as(nn.Module, extractor.module, "settings.extractor.module")
        load_weights(net, arrays)
        return extractor._with_net(net)

    def _with_net(self, net: nn.Module) -> Self:
        made = copy.copy(self)
        made.net = net.eval().requires_grad_(False)
        return made
