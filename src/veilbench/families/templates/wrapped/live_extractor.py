"""An encoder of the caller, examined as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.foreign import foreign_errors
from veilbench.bench.live_model import NotSaved
from veilbench.families.templates.schemes.raw_template import RawTemplate
from veilbench.families.templates.wrapped.image_input import ImageInput
from veilbench.families.templates.wrapped.network_extractor import NetworkExtractor

if TYPE_CHECKING:
    from torch import Tensor

NO_GRADIENTS = "the encoder is a function of arrays, which has no gradients"


class LiveExtractor(NotSaved, NetworkExtractor):
    """A torch module, or a function of arrays, from grey images in [0, 1] to codes.

    Args:
        encoder: the object; it gets images of shape (n, 1, height, width), float32: tensors if it is a torch module,
            which has gradients, and arrays otherwise.
    """

    def __init__(self, encoder: Any) -> None:
        import torch

        super().__init__(ImageInput())
        self.is_module = isinstance(encoder, torch.nn.Module)
        self.encoder = encoder.eval() if self.is_module else encoder

    def fit(self, samples: np.ndarray, rng: np.random.Generator) -> Self:
        """Return the extractor itself: nothing is fitted."""
        return self

    def compute(self, inputs: Tensor) -> Tensor:
        """Return the encoder's codes, shape (n, 1, height, width) to (n, ...)."""
        import torch

        name = type(self.encoder).__name__
        with foreign_errors(f"{name} failed on images of shape {tuple(inputs.shape)}"):
            made = self.encoder(inputs if self.is_module else inputs.cpu().numpy())
        codes = torch.as_tensor(made)
        if codes.ndim < 2 or len(codes) != len(inputs):
            raise UserError(
                f"{name} returns shape {tuple(codes.shape)} for {len(inputs)} images; (images, code) is needed"
            )
        return codes

    def differentiate(self, inputs: Tensor) -> Tensor:
        """Return the codes with gradients.

        Raises:
            UserError: the encoder is no torch module.
        """
        if not self.is_module:
            raise UserError(NO_GRADIENTS)
        return self.compute(inputs)

    def lacks(self) -> Mapping[str, str]:
        """Return that there are no gradients, unless the encoder is a torch module."""
        return {} if self.is_module else {"gradients": NO_GRADIENTS}


def adapt(model: Any) -> RawTemplate | None:
    """Return unprotected templates of a callable encoder; None for what cannot be called."""
    return RawTemplate(LiveExtractor(model)) if callable(model) else None
