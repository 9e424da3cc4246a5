"""A trained autoencoder as used by evaluations and attacks: it encodes, scores and restores rows."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import LARGEST_PRECISION, LARGEST_VALUE, require_value
from veilbench.families.autoencoders.nets.autoencoder_net import AutoencoderNet
from veilbench.families.autoencoders.schemes.base import DifferentiableDetector, Representation, Restorer
from veilbench.metrics.ledoit_wolf import ledoit_wolf
from veilbench.nets.in_parts import apply_in_parts
from veilbench.nets.saved_weights import load_weights

Score = Literal["error", "whitened", "mahalanobis", "combined"]
DISTANCES = ("mahalanobis", "combined")
AT_ONCE, FITTED_TO = 1024, 20_000  # rows per forward pass, to bound the memory; rows that scores are fitted to
SMALLEST = 1e-12  # below it a square root has no useful gradient
NO_BOTTLENECK = "a net without bottleneck has no code that rows could come back from"


class CodedRows(Representation, DifferentiableDetector, Restorer):
    """An autoencoder's network with its anomaly score.

    The score of a row is computed from its residual r = row - reconstruction:

    `error`: the mean of r squared. `whitened`: the mean of r squared divided by each position's mean squared residual
    on the training rows, so that a position that is always reconstructed badly counts less. `mahalanobis`: the squared
    Mahalanobis distance of code and residual, taken together, from the training rows (Ledoit-Wolf covariance), per
    position: a code far from those of the training rows is anomalous too, even if the row is reconstructed well;
    distances in the code are those of RaPP (Kim et al. 2020), but of the row's own code alone. `combined`: the
    geometric mean of `error` and `mahalanobis`, which ranks rows by the sum of their logarithms, so that units do not
    matter: the product rule of Kittler et al. (1998). A row that is reconstructed exactly scores near 0 whatever its
    code.

    Args:
        net: network with trained weights.
        score: name of the score, one of those above.
        centre: centre of the distances, shape (places,) or, for `mahalanobis` and `combined`, (code + places,).
        shape_matrix: weights of the squared distance, shape (places,), or a precision matrix for `mahalanobis` and
            `combined`.
    """

    def __init__(self, net: AutoencoderNet, score: Score, centre: np.ndarray, shape_matrix: np.ndarray) -> None:
        self.net, self.kind = net.eval().requires_grad_(False), score
        self.centre, self.shape_matrix = torch.from_numpy(centre), torch.from_numpy(shape_matrix)

    @classmethod
    def fit_score(cls, net: AutoencoderNet, score: Score, rows: np.ndarray) -> CodedRows:
        """Fit the score to training rows, shape (n, *shape), or to `FITTED_TO` evenly spaced ones of them."""
        places = int(np.prod(net.shape))
        plain = cls(net, "error", np.zeros(places, np.float32), np.full(places, 1 / places, np.float32))
        if score == "error":
            return plain
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), FITTED_TO)).astype(int)]
        residuals = (rows - plain.reconstruct(rows)).reshape(len(rows), -1)
        if score == "whitened":
            means = (residuals**2).mean(0)
            weights = 1 / (places * np.maximum(means, 1e-3 * means.mean() + 1e-12))
            return cls(net, score, np.zeros(places, np.float32), weights.astype(np.float32))
        both = np.hstack([plain.encode(rows), residuals])
        spread = both.std(0, dtype=np.float64) + 1e-6
        mean, _, precision = ledoit_wolf(both / spread)
        precision /= np.outer(spread, spread) * places
        return cls(net, score, (mean * spread).astype(np.float32), precision.astype(np.float32))

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """Encode rows, shape (n, *shape) to (n, code); feature maps of a network without bottleneck are flattened."""
        return apply_in_parts(self.net.cpu().code, rows, AT_ONCE).reshape(len(rows), -1)  # gradients may have moved it

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Decode codes, shape (n, code) to (n, *shape), float32.

        Raises:
            NotImplementedError: the network adds its output to its input, or has no bottleneck.
        """
        if self.net.residual or not self.net.architecture.bottleneck:
            raise NotImplementedError(NO_BOTTLENECK)
        net = self.net.cpu()
        return apply_in_parts(lambda part: net.finish(net.decoder(part)), codes, AT_ONCE)

    def reconstruct(self, rows: np.ndarray) -> np.ndarray:
        """Reconstruct rows, shape (n, *shape); networks without bottleneck also take images of other sizes."""
        return apply_in_parts(self.net.cpu(), rows, AT_ONCE)

    def restore_rows(self, rows: np.ndarray) -> np.ndarray:
        """Restore rows by reconstructing them, shape (n, *shape)."""
        return self.reconstruct(rows)

    def score_tensor(self, rows: Tensor) -> Tensor:
        """Score rows as tensors, shape (n, *shape) to (n,); differentiable."""
        net = self.net.to(rows.device)
        code = net.code(rows)
        back = net.finish(net.logits(code, rows))
        residual = (rows - back).flatten(1)
        if self.kind not in DISTANCES:
            return (residual**2) @ self.shape_matrix.to(rows.device)
        both = torch.cat([code.flatten(1), residual], 1) - self.centre.to(rows.device)
        distance = ((both @ self.shape_matrix.to(rows.device)) * both).sum(1)
        if self.kind == "mahalanobis":
            return distance
        return ((residual**2).mean(1) * distance).clamp(min=SMALLEST).sqrt()

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Score rows, shape (n, *shape) to (n,), float64; higher is more anomalous."""
        return apply_in_parts(self.score_tensor, rows, AT_ONCE).astype(np.float64)

    def feature_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return each position's squared residual, weighted as in the score, shape (n, *shape).

        `combined` is divided in proportion to the squared residuals alone, because its other factor, the distance, has
        no parts.

        Raises:
            NotImplementedError: the score is a distance.
        """
        if self.kind == "mahalanobis":
            raise NotImplementedError("a Mahalanobis distance is not made of features' parts")
        squares = (rows - self.reconstruct(rows)) ** 2
        if self.kind == "combined":
            whole = squares.reshape(len(rows), -1).sum(1)
            scale = self.score(rows) / np.maximum(whole, SMALLEST)
            return np.asarray(squares * scale.reshape(-1, *[1] * len(self.net.shape)))
        return np.asarray(squares * self.shape_matrix.numpy().reshape(self.net.shape))

    def settings(self) -> dict[str, Any]:
        """Return the shape of the network and the name of the score."""
        return {"net": self.net.settings(), "score": self.kind}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights of the network, and the fitted arrays of the score."""
        weights = {f"net.{name}": weight.cpu().numpy() for name, weight in self.net.state_dict().items()}
        return {**weights, "centre": self.centre.numpy(), "shape_matrix": self.shape_matrix.numpy()}

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> CodedRows:
        """Rebuild the model from what `settings` and `arrays` returned."""
        require_value(dict[str, Any], settings.get("net"), "settings.net")
        require_value(Score, settings.get("score"), "settings.score")
        net = AutoencoderNet.from_settings(settings["net"])
        load_weights(net, {n.removeprefix("net."): a for n, a in arrays.items() if n.startswith("net.")})
        places, distance = math.prod(net.shape), settings["score"] in DISTANCES
        if distance:  # of the code and the residual, taken together
            places += net.eval().code(torch.zeros(1, *net.shape)).numel()
        centre = require_array(arrays, "centre", np.float32, (places,), low=-LARGEST_VALUE, high=LARGEST_VALUE)
        shape, most = ((places, places), LARGEST_PRECISION) if distance else ((places,), LARGEST_VALUE)
        matrix = require_array(arrays, "shape_matrix", np.float32, shape, low=-most, high=most)
        return cls(net, settings["score"], centre, matrix)
