"""A trained filter as plain arrays, which scores mails without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from veilbench.bench.checked_arrays import require_array
from veilbench.bench.limits import LARGEST_VALUE, Count, Positive, require_arguments, require_value
from veilbench.families.mail.data.tokeniser import encode_mails, split_words
from veilbench.families.mail.data.vocabulary import PAD, Vocabulary
from veilbench.families.mail.schemes.spam_scorer import SpamScorer
from veilbench.federated.protocol import Protocol

NO_FEDERATION = {"protocol": "it is not trained in a federation: no update is ever sent"}
AT_ONCE = 512  # mails per batch, to limit the memory of their word vectors


class MailFilter(SpamScorer):
    """A trained `nets.mail_classifier.MailClassifierNet` with its vocabulary, evaluated by NumPy.

    Args:
        weights: state dict of the network, as arrays.
        vocabulary: mapping from words to numbers.
        longest: number of words per mail that the filter reads.
        protocol: public settings of the federation in which the filter was trained; None if there was none.
        inverse_penalty: inverse strength of the L2 penalty with which it was fitted to convergence, scikit-learn's C,
            also public; None if it was trained otherwise.
    """

    def __init__(
        self,
        weights: dict[str, np.ndarray],
        vocabulary: Vocabulary,
        longest: int,
        protocol: Protocol | None = None,
        inverse_penalty: Positive | None = None,
    ) -> None:
        rows = len(weights["embedding.weight"])
        if rows != vocabulary.size:
            raise ValueError(f"the filter has weights for {rows} words, but its vocabulary has {vocabulary.size}")
        self.weights, self.vocabulary, self.longest, self.protocol = weights, vocabulary, longest, protocol
        self.inverse_penalty = inverse_penalty

    def logits(self, tokens: np.ndarray) -> np.ndarray:
        """Map word numbers of shape (n, length) to logits of spam, shape (n,), float64."""
        pieces = [self._logits(tokens[i : i + AT_ONCE]) for i in range(0, len(tokens), AT_ONCE)]
        return np.concatenate(pieces) if pieces else np.empty(0)

    def _logits(self, tokens: np.ndarray) -> np.ndarray:
        embedding, bias = self.weights["embedding.weight"], float(self.weights["bias.weight"].item())
        present = tokens != PAD
        if embedding.shape[1] == 1:
            linear: np.ndarray = np.where(present, embedding[tokens, 0], 0).sum(1, dtype=np.float64) + bias
            return linear
        summed = (embedding[tokens] * present[..., None]).sum(1, dtype=np.float64)
        scaled = summed / np.sqrt(np.maximum(present.sum(1, keepdims=True), 1))
        inner = np.maximum(scaled @ self.weights["inner.weight"].T + self.weights["inner.bias"], 0)
        deep: np.ndarray = (inner @ self.weights["outer.weight"].T)[:, 0] + bias
        return deep

    def score_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Compute the probability of spam of each text, shape (n,), float64."""
        return self.score(encode_mails([split_words(text) for text in texts], self.vocabulary, self.longest))

    def settings(self) -> dict[str, Any]:
        """Return the number of words that are read, and the protocol and the penalty if there are any."""
        protocol = {"protocol": self.protocol.settings()} if self.protocol else {}
        penalty = {"inverse_penalty": self.inverse_penalty} if self.inverse_penalty is not None else {}
        return {"longest": self.longest, **protocol, **penalty}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights and the vocabulary."""
        return {f"net.{name}": weight for name, weight in self.weights.items()} | self.vocabulary.arrays()

    @classmethod
    def restore(cls, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> MailFilter:
        """Construct the filter from its settings and arrays.

        Raises:
            ValueError: a setting or an array is missing, or inconsistent with the others.
        """
        vocabulary = Vocabulary.from_arrays(arrays)
        require_value(Count, settings.get("longest"), "settings.longest")
        protocol = None
        if "protocol" in settings:
            require_arguments(Protocol, settings["protocol"], "settings.protocol")
            protocol = Protocol(**settings["protocol"])
        penalty = settings.get("inverse_penalty")
        require_value(Positive | None, penalty, "settings.inverse_penalty")
        return cls(_weights(arrays, vocabulary.size), vocabulary, settings["longest"], protocol, penalty)


def _weights(arrays: Mapping[str, np.ndarray], words: int) -> dict[str, np.ndarray]:
    """Check the network's weights from a file and return them by parameter name.

    Raises:
        ValueError: a weight is missing, has a wrong shape or type, or is too large.
    """

    def load(name: str, *shape: int | None) -> np.ndarray:
        return require_array(arrays, f"net.{name}", np.float32, shape, low=-LARGEST_VALUE, high=LARGEST_VALUE)

    weights = {"embedding.weight": load("embedding.weight", words, None), "bias.weight": load("bias.weight", 1, 1)}
    if not (dimension := weights["embedding.weight"].shape[1]):
        raise ValueError("net.embedding.weight has vectors of length 0")
    if dimension > 1:
        weights["inner.weight"] = load("inner.weight", None, dimension)
        hidden = len(weights["inner.weight"])
        weights |= {"inner.bias": load("inner.bias", hidden), "outer.weight": load("outer.weight", 1, hidden)}
    return weights
