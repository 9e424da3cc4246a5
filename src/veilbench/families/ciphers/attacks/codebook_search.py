"""Settings of the search for code books with a language model, and the search itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from veilbench.bench.limits import Depth, Natural, Positive
from veilbench.text.alphabet import SIZE


@dataclass(frozen=True)
class CodebookSearch:
    """Search for the symbol of every token: expectation maximisation, then simulated annealing.

    Attributes:
        order: length of the language model's longest n-gram in characters.
        restarts: maximum number of annealing runs; the search stops as soon as one of them finds the same key as
            expectation maximisation. 0 polishes the key of expectation maximisation only. So does a text whose codes do
            not repeat more often than random ones; without a number of code books, its key is not annealed again.
        effort: factor on the number of steps of each annealing run.
    """

    order: Annotated[Depth, Ge(2)] = 6
    restarts: Natural = 4
    effort: Positive = 1.0

    def find(
        self,
        tokens: np.ndarray,
        groups: np.ndarray,
        auxiliary: np.ndarray,
        rng: np.random.Generator,
        known: np.ndarray | None = None,
        members: int = 0,
    ) -> np.ndarray:
        """Find the most likely symbol of every token.

        Args:
            tokens: token of every position, shape (length,).
            groups: group of every token, shape (tokens,), -1 for tokens without a group.
            auxiliary: text from which the language model is fitted, shape (n,), uint8.
            rng: generator of the search's seed.
            known: known symbols, shape (tokens,), -1 for unknown ones; None if all are unknown.
            members: number of code books that made the tokens without a group, so that a symbol has no more of them; 0
                if it is unknown.

        Returns:
            The symbols, shape (tokens,).
        """
        from veilbench.families.ciphers.attacks.language import fit_bigrams, fit_language_model
        from veilbench.families.ciphers.attacks.repeats import may_be_solved
        from veilbench.families.ciphers.attacks.substitution import solve

        repeats = known is not None or may_be_solved(tokens)
        # More codes than the code books have come from no code books.
        copies = members if 0 < len(groups) <= members * SIZE else None
        return solve(
            tokens,
            groups,
            fit_language_model(auxiliary, self.order),
            known=known,
            bigrams=fit_bigrams(auxiliary),
            restarts=self.restarts if repeats else 0,
            seed=int(rng.integers(2**31)),
            effort=self.effort,
            copies=copies,
            finish=repeats
            or copies is not None,  # of 32 code books, EM finds something though 1,000 codes do not repeat
        )
