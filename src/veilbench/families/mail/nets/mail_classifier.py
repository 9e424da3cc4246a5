"""The network of the spam filter: word embeddings summed over a mail, and a head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from veilbench.bench.limits import require_weights

PAD = 0  # word number of padding


class MailClassifierNet(nn.Module):
    """A bag-of-words classifier that returns the logit of spam.

    With dimension 1 the logit is the sum of the words' weights and a bias: logistic regression on word counts, as in
    the source system. With higher dimensions, the summed vectors are divided by the square root of the number of words
    and passed through a hidden layer.

    A masked sum is used instead of `nn.EmbeddingBag`, and the bias is the weight of a linear layer on a constant 1:
    Opacus handles repeated tokens of a bag incorrectly, and does not support parameters outside of layers.

    Args:
        words: number of rows of the embedding, including padding.
        dimension: length of a word vector.
        hidden: units in the hidden layer; not used if `dimension` is 1.
    """

    def __init__(self, words: int, dimension: int = 1, hidden: int = 16) -> None:
        super().__init__()
        if min(words, dimension, hidden) < 1:
            raise ValueError(f"words={words}, dimension={dimension}, hidden={hidden} must all be at least 1")
        self.words, self.dimension, self.hidden = words, dimension, hidden
        require_weights(f"{words} words of dimension={dimension}, hidden={hidden}", [(words + hidden, dimension)])
        self.embedding = nn.Embedding(words, dimension)
        self.bias = nn.Linear(1, 1, bias=False)
        self.inner = nn.Linear(dimension, hidden) if dimension > 1 else None
        self.outer = nn.Linear(hidden, 1, bias=False) if dimension > 1 else None
        self.reset_parameters(torch.Generator().manual_seed(0))

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator) -> None:
        """Initialise the weights: zeros with dimension 1, a convex problem, otherwise small random values."""
        self.bias.weight.zero_()
        self.embedding.weight.zero_()
        if self.inner is not None and self.outer is not None:
            self.embedding.weight.normal_(0, 0.1, generator=generator)
            self.inner.bias.zero_()
            for weight in (self.inner.weight, self.outer.weight):
                bound = weight.shape[1] ** -0.5
                weight.uniform_(-bound, bound, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map word numbers of shape (n, length) to logits of shape (n,)."""
        present = (tokens != PAD).to(self.embedding.weight.dtype)[..., None]
        summed = (self.embedding(tokens) * present).sum(1)
        if self.inner is not None and self.outer is not None:
            summed = self.outer(self.inner(summed / present.sum(1).clamp(min=1).sqrt()).relu())
        ones = summed.new_ones(len(summed), 1)
        logits: Tensor = (summed + self.bias(ones)).squeeze(-1)
        return logits

    def settings(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"words": self.words, "dimension": self.dimension, "hidden": self.hidden}
