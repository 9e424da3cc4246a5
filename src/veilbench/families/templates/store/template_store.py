"""Enrolled templates, with people's names but without images, features or keys."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.templates.store.packing import Packing

NO_KEY = ""  # key fingerprint for schemes without keys


@dataclass(frozen=True)
class TemplateStore:
    """Templates made by one model. The store is immutable: every change returns a new store.

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

    def belongs_to(self, person: str) -> np.ndarray:
        """Return whether each template belongs to the person; shape (n,), bool."""
        return np.asarray(self.owners == self.people.index(person) if person in self.people else self.owners < 0)

    def has_key(self, key: str) -> np.ndarray:
        """Return whether each template was made under the key with this fingerprint; shape (n,), bool."""
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
            remembered: whether to record the revoked keys, so that the person cannot be enrolled under them again;
                otherwise everything about the person is deleted.
        """
        removed = self.belongs_to(person)
        pairs = {(person, self.keys[index]) for index in np.unique(self.under[removed])}
        others = frozenset(pair for pair in self.revoked if pair[0] != person)
        people, owners = _drop_unused(self.people, self.owners[~removed])
        keys, under = _drop_unused(self.keys, self.under[~removed])
        revoked = self.revoked | pairs if remembered else others
        rows = self.templates[~removed]
        return replace(self, people=people, keys=keys, templates=rows, owners=owners, under=under, revoked=revoked)

    def require_model(self, model: str, where: str) -> None:
        """Require that a model made the templates.

        Args:
            model: fingerprint of the model.
            where: path of the store, for the error message.

        Raises:
            UserError: the fingerprints differ.
        """
        if self.model != model:
            raise UserError(
                f"{where} holds templates of another model ({self.scheme}, fingerprint {self.model}); this one has "
                f"{model}"
            )


def draw_name() -> str:
    """Draw a random name for a store."""
    return secrets.token_hex(16)


def _drop_unused(names: tuple[str, ...], indices: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names that are in use, and the indices renumbered to match."""
    used, renumbered = np.unique(indices, return_inverse=True)
    return tuple(names[index] for index in used), renumbered.astype(np.int32)
