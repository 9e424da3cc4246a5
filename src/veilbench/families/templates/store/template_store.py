"""Enrolled templates, and nothing else about anybody but the names that they were enrolled under."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.templates.store.packing import Packing

NO_KEY = ""  # stands for the key's fingerprint where the scheme has none


@dataclass(frozen=True)
class TemplateStore:
    """Templates of one model. Every change makes a new one.

    Attributes:
        name: random; fingerprints of keys are made for it.
        model: fingerprint of the model that made the templates.
        scheme: the model's class, for people to read.
        size: height and width of the images.
        packing: of the templates.
        people: names, each once.
        keys: fingerprints of keys, each once.
        templates: shape (n, columns).
        owners: shape (n,), int32: places in `people`.
        under: shape (n,), int32: places in `keys`.
        revoked: pairs of a name and a key's fingerprint, under which that person is not enrolled again.
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
        """A store without templates."""
        nobody = np.empty(0, np.int32)
        rows = np.empty((0, packing.columns), packing.dtype)
        return cls(name, model, scheme, size, packing, (), (), rows, nobody, nobody)

    def __len__(self) -> int:
        return len(self.templates)

    def of(self, person: str) -> np.ndarray:
        """Which templates are a person's; shape (n,), bool."""
        return np.asarray(self.owners == self.people.index(person) if person in self.people else self.owners < 0)

    def made_under(self, key: str) -> np.ndarray:
        """Which templates were made under a key; shape (n,), bool."""
        return np.asarray(self.under == self.keys.index(key) if key in self.keys else self.under < 0)

    def with_template(self, person: str, key: str, template: np.ndarray) -> TemplateStore:
        """The same with one template more, shape (columns,)."""
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
        """The same without a person's templates.

        Args:
            person: enrolled.
            remembered: the keys that they were made under are revoked for this person; otherwise nothing of the person
                is left.
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
        """Refuse a model that did not make the templates.

        Raises:
            UserError: it did not.
        """
        if self.model != model:
            raise UserError(
                f"{where} holds templates of another model ({self.scheme}, fingerprint {self.model}); this one has "
                f"{model}"
            )


def fresh_name() -> str:
    """A store's name."""
    return secrets.token_hex(16)


def _in_use(names: tuple[str, ...], places: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """The names that places point to, and those places anew."""
    used, where = np.unique(places, return_inverse=True)
    return tuple(names[place] for place in used), where.astype(np.int32)
