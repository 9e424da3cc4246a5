"""Enrolled templates, and nothing else about people except the names they were enrolled under."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.templates.store.packing import Packing

NO_KEY = ""  # replaces the key's fingerprint for schemes without keys


@dataclass(frozen=True)
class TemplateStore:
    """Templates of one model. The store is immutable: every change returns a new one.

    Attributes:
        name: random name, from which fingerprints of keys are derived.
        model: fingerprint of the model that made the templates.
        scheme: name of the model's class, for messages.
        size: height and width of the images, in pixels.
        packing: storage format of the templates.
        people: names of the people, each once.
        keys: fingerprints of keys, each once.
        templates: stored templates, shape (n, columns).
        owners: index in `people` of each template, shape (n,), int32.
        under: index in `keys` of each template, shape (n,), int32.
        revoked: pairs of a name and a key's fingerprint, under which that person cannot be enrolled again.
    """

    name: str
    model: str
    scheme: str
    size: tuple[int, int]
    packing: Packing
    people: tuple[str, ...]
    keys: tuple[str, ...]
    templates: np.ndarray
    owners: np.ndarray
    under: np.ndarray
    revoked: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def empty(cls, model: str, scheme: str, size: tuple[int, int], packing: Packing, name: str) -> TemplateStore:
        """Create a store without templates."""
        indices = np.empty(0, np.int32)
        rows = np.empty((0, packing.columns), packing.dtype)
        return cls(name, model, scheme, size, packing, (), (), rows, indices, indices)

    def __len__(self) -> int:
        return len(self.templates)

    def of(self, person: str) -> np.ndarray:
        """Return which templates belong to a person; shape (n,), bool."""
        return np.asarray(self.owners == self.people.index(person) if person in self.people else self.owners < 0)

    def made_under(self, key: str) -> np.ndarray:
        """Return which templates were made under a key; shape (n,), bool."""
        return np.asarray(self.under == self.keys.index(key) if key in self.keys else self.under < 0)

    def with_template(self, person: str, key: str, template: np.ndarray) -> TemplateStore:
        """Return the store with one more template, shape (columns,)."""
        people = self.people if person in self.people else (*self.people, person)
        keys = self.keys if key in self.keys else (*self.keys, key)
        return replace(
            self,
            people=people,
            keys=keys,
            templates=np.concatenate([self.templates, template[None]]),
            owners=np.append(self.owners, np.int32(people.index(person))),
            under=np.append(self.under, np.int32(keys.index(key))),
        )

    def without(self, person: str, remembered: bool) -> TemplateStore:
        """Return the store without a person's templates.

        Args:
            person: name of an enrolled person.
            remembered: whether to revoke their keys for this person; otherwise nothing of the person is left.
        """
        gone = self.of(person)
        pairs = {(person, self.keys[place]) for place in np.unique(self.under[gone])}
        others = frozenset(pair for pair in self.revoked if pair[0] != person)
        people, owners = _in_use(self.people, self.owners[~gone])
        keys, under = _in_use(self.keys, self.under[~gone])
        revoked = self.revoked | pairs if remembered else others
        rows = self.templates[~gone]
        return replace(self, people=people, keys=keys, templates=rows, owners=owners, under=under, revoked=revoked)

    def must_be_of(self, model: str, where: str) -> None:
        """Reject a model that did not make the templates.

        Raises:
            UserError: the fingerprints differ.
        """
        if self.model != model:
            raise UserError(
                f"{where} holds templates of another model ({self.scheme}, fingerprint {self.model}); this one has "
                f"{model}"
            )


def fresh_name() -> str:
    """Draw a random name for a store."""
    return secrets.token_hex(16)


def _in_use(names: tuple[str, ...], places: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names that are in use, and the indices renumbered to match."""
    used, where = np.unique(places, return_inverse=True)
    return tuple(names[place] for place in used), where.astype(np.int32)
