"""Hashmaps from one encoder per client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import MinLen
from torch import Tensor, nn
from torch.nn import functional

from veilbench.bench.limits import require_arguments, require_value
from veilbench.families.templates.nets.print_encoder import PrintEncoder
from veilbench.families.templates.schemes.trained import TrainedScheme
from veilbench.nets.saved_weights import load_weights


class ClientHashmaps(TrainedScheme):
    """A scheme in which a user's key selects a client, whose encoder makes the template.

    The features are the codes of all encoders, each of length 1, concatenated; a template is the code of one encoder.
    An image has at most as many different templates as there are clients, and renewing a template means switching to
    another client.

    Args:
        nets: encoders of the clients, with trained weights.
    """

    def __init__(self, nets: Sequence[PrintEncoder]) -> None:
        self.nets = nn.ModuleList(nets).eval().requires_grad_(False)

    def transform(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the code of the key's client, shape (n, code)."""
        client = int(rng.integers(len(self.nets)))
        return features.reshape(len(features), len(self.nets), -1)[:, client].copy()

    def features_tensor(self, samples: Tensor) -> Tensor:
        """Return features of samples, shape (n, ...) to (n, d); differentiable."""
        self.nets.to(samples.device)
        return torch.cat([functional.normalize(net(samples), dim=1) for net in self.nets], 1)

    def protect_tensor(self, features: Tensor, keys: np.ndarray) -> Tensor:
        """Return templates of features under the users' keys; differentiable."""
        clients = [int(np.random.default_rng(int(key)).integers(len(self.nets))) for key in keys]
        codes = features.view(len(features), len(self.nets), -1)
        return codes[torch.arange(len(codes)), torch.tensor(clients)]

    def settings(self) -> dict[str, Any]:
        """Return the shapes of the networks."""
        return {"nets": [net.settings() for net in self.nets if isinstance(net, PrintEncoder)]}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights of the networks."""
        return {name: weight.detach().cpu().numpy() for name, weight in self.nets.state_dict().items()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> ClientHashmaps:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_value(Annotated[list[dict[str, Any]], MinLen(1)], settings.get("nets"), "settings.nets")
        for index, net in enumerate(settings["nets"]):
            require_arguments(PrintEncoder, net, f"settings.nets[{index}]")
        if len({net["code"] for net in settings["nets"]}) > 1:
            raise ValueError("settings.nets have codes of different lengths")
        scheme = cls([PrintEncoder(**net) for net in settings["nets"]])
        load_weights(scheme.nets, arrays)
        return scheme
