"""The paths of the oracle attack: a dictionary of own images, and a search that starts from its best ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from veilbench.families.templates.attacks.oracle_search import Subspace, evolution_strategy
from veilbench.families.templates.attacks.query_counter import QueryCounter, present_dictionary
from veilbench.families.templates.attacks.recombination import OracleSearches, blend_best
from veilbench.families.templates.attacks.system import (
    TemplateSystem,
    first_row_of_each,
    held_out_system,
    split_auxiliary,
)
from veilbench.families.templates.data.identities import Impressions

HELD_OUT = 0.2  # share of the attacker's own identities that they enrol to choose a path
LISTED = {"scores": 0.25, "decisions": 0.5}  # part of the queries that is spent on the dictionary, by the answers


@dataclass(frozen=True)
class OraclePaths:
    """The searches that an attacker can choose from, each with the same number of queries.

    Attributes:
        answers: what the system returns: match "scores", or "decisions" to accept or reject.
        queries: maximum number of queries per victim.
        searches: settings of the searches.
    """

    answers: Literal["scores", "decisions"]
    queries: int
    searches: OracleSearches

    def names(self) -> list[str]:
        """Return the paths that the answers allow; blending the best images needs scores to rank them."""
        return ["evolution", "recombination"] if self.answers == "scores" else ["evolution"]

    def choose(self, system: TemplateSystem, auxiliary: Impressions, rng: np.random.Generator) -> str:
        """Return the path that reaches the highest scores, on average, as held-out people of the attacker.

        The mean score tells two paths apart where the share that is accepted is left to chance.

        Args:
            system: recognition system, in which the attacker enrols these people.
            auxiliary: the attacker's own impressions.
            rng: source of the split, of the keys and of the searches.
        """
        if len(names := self.names()) == 1:
            return names[0]
        training, held_out = split_auxiliary(auxiliary, HELD_OUT, rng)
        validation = held_out_system(system, held_out.subset(first_row_of_each(held_out.identities)), rng)
        own = training.images[rng.permutation(len(training))]
        reached = {name: self.take(name, validation, own, rng)[0].highest.mean() for name in names}
        return max(names, key=lambda name: float(reached[name]))

    def take(
        self, path: str, system: TemplateSystem, own: np.ndarray, rng: np.random.Generator
    ) -> tuple[QueryCounter, np.ndarray]:
        """Attack every victim by one path; the last query presents the final image.

        Args:
            path: "evolution" or "recombination".
            system: recognition system that answers the queries.
            own: the attacker's images in random order, shape (m, c, h, w); the first ones are the dictionary.
            rng: source of all random numbers.

        Returns:
            The counter of the queries, and the final images, shape (n, c, h, w).
        """
        counter = QueryCounter(system)
        images = self._recombine(counter, own, rng) if path == "recombination" else self._evolve(counter, own, rng)
        counter.score(images[:, None])
        return counter, images

    def _left(self, counter: QueryCounter) -> int:
        """Return the number of queries that a search may take, with one kept for the final image."""
        return self.queries - counter.count - 1

    def _listed(self) -> int:
        """Return the number of queries that are spent on the dictionary."""
        return max(1, int(self.queries * LISTED[self.answers]))

    def _recombine(self, counter: QueryCounter, own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        search = self.searches.recombination
        scores = present_dictionary(counter, own[: self._listed()], search.population)
        return blend_best(counter.score, own, scores, self._left(counter), search, rng)

    def _evolve(self, counter: QueryCounter, own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        by_scores, population = self.answers == "scores", self.searches.evolution.population
        space = Subspace.fit(own, self.searches.evolution.components)
        dictionary = own[: self._listed()]
        scores = present_dictionary(counter, dictionary, population)
        best = (scores if by_scores else scores >= counter.system.threshold).argmax(1)
        start = space.coordinates(dictionary[best]).astype(np.float32)
        if not by_scores:  # where nothing was accepted, all images of the dictionary are equally good
            start = np.where(np.isfinite(counter.first)[:, None], start, np.float32(0))
        query = counter.score if by_scores else counter.decide
        return space.images(evolution_strategy(query, space, start, self._left(counter), population, rng))
