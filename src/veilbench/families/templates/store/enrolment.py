"""Enrolment and revocation of templates in a store; each change is complete or not made at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.bench.file_lock import lock_file
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.store import image_files, store_file, user_key
from veilbench.families.templates.store.answer import Answer, format_count, normalise_name
from veilbench.families.templates.store.gallery import Gallery
from veilbench.families.templates.store.recogniser import load
from veilbench.families.templates.store.template_store import NO_KEY, TemplateStore, fresh_name

SAME = 1 - 1e-5  # similarity of templates of an identical image, up to rounding


def enroll(
    model: Path, path: Path, person: str, images: Sequence[Path], key: Path | None, resize: bool, renew: bool
) -> Answer:
    """Enrol templates of a person.

    Args:
        model: folder of a trained model.
        path: store file; created if it does not exist.
        person: name to enrol the templates under.
        images: image files, one template each.
        key: file of the user's key, for schemes that have keys.
        resize: whether to scale images of other sizes.
        renew: whether to revoke the person's previous templates in the same change.

    Raises:
        UserError: an input cannot be used; the store is unchanged.
    """
    recogniser, secret, person = load(model), user_key.read(key) if key else None, normalise_name(person)
    with lock_file(path) as place:
        store = store_file.read(place) if place.exists() else None
        size = store.size if store else recogniser.size
        pixels = image_files.read(images, size, resize)
        if store:
            store.must_be_of(recogniser.fingerprint, str(path))
        own = store.name if store else fresh_name()
        name = recogniser.key_name(secret, own)
        packing, rows = recogniser.templates(pixels, secret)
        height, width = pixels.shape[2:]
        kind = type(recogniser.scheme).__name__
        store = store or TemplateStore.empty(recogniser.fingerprint, kind, (height, width), packing, own)
        store, gone = _renewed(store, person, name) if renew else (store, 0)
        _must_not_be_revoked(store, person, name)
        store, lines, added = _added(store, recogniser.scheme, person, name, images, rows)
        if added or gone:
            store_file.write(store, place)
    old = f", {format_count(gone)} of before revoked" if gone else ""
    lines.append(f"{person}: {format_count(added)} added{old}, {int(store.of(person).sum())} in all")
    notes = [] if name else ["no key: these templates cannot be renewed, and the attacks of this bench can read them"]
    return Answer(lines, notes)


def _added(
    store: TemplateStore, scheme: TemplateScheme, person: str, key: str, images: Sequence[Path], rows: np.ndarray
) -> tuple[TemplateStore, list[str], int]:
    """Return the store with the new templates added, messages about the others, and the number of new ones."""
    lines: list[str] = []
    under = np.flatnonzero(store.made_under(key))
    before = _same(scheme, store, store.templates[under], rows)
    own = _same(scheme, store, rows, rows)
    for place, (image, row) in enumerate(zip(images, rows, strict=True)):
        holder = store.people[store.owners[under[before[place].argmax()]]] if before[place].any() else None
        if holder not in (None, person):
            raise UserError(f"{image}: its very template is enrolled as {holder}; {person} cannot have it too")
        if holder == person or own[place, :place].any():
            lines.append(f"{image}: {person} has this very template already; nothing was added for it")
        else:
            store = store.with_template(person, key, row)
    return store, lines, len(rows) - len(lines)


def _same(scheme: TemplateScheme, store: TemplateStore, enrolled: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return which enrolled templates are of an identical image; shape (rows, enrolled), bool.

    Real-valued templates of the same image are equal up to rounding, which depends on the machine.
    """
    if not len(enrolled):
        return np.zeros((len(rows), 1), bool)
    likeness, places = Gallery(scheme, store.packing, enrolled).nearest(rows, len(rows) + 1)
    found = np.zeros((len(rows), len(enrolled)), bool)
    np.put_along_axis(found, places, likeness >= SAME, 1)
    return found


def _renewed(store: TemplateStore, person: str, key: str) -> tuple[TemplateStore, int]:
    """Return the store without the person's previous templates, and their number."""
    before = int(store.of(person).sum())
    if not before:
        raise UserError(f"{person} is not enrolled: there is nothing to renew")
    if key != NO_KEY and (store.of(person) & store.made_under(key)).any():
        raise UserError(
            f"{person} is enrolled under this very key: renewing takes a new one, from `veilbench key FILE`"
        )
    return store.without(person, remembered=key != NO_KEY), before


def _must_not_be_revoked(store: TemplateStore, person: str, key: str) -> None:
    if (person, key) not in store.revoked:
        return
    if key == NO_KEY:
        raise UserError(
            f"{person} was revoked, and {store.scheme} has no key: a new template would match the old one; "
            "`veilbench revoke --forget` drops the revocation, too"
        )
    raise UserError(f"{person} was revoked under this key: enrol under a new one, from `veilbench key FILE`")


def revoke(path: Path, people: Sequence[str], forget: bool) -> Answer:
    """Revoke all templates of some people.

    Args:
        path: store file.
        people: names of the people to revoke.
        forget: whether to delete everything about them; otherwise the fingerprints of their keys are kept, so that they
            cannot enrol under these again.

    Raises:
        UserError: a person is not enrolled; the store is unchanged.
    """
    lines, notes = [], []
    store_file.read(path)  # fails early if there is no store to lock
    with lock_file(path) as place:
        store = store_file.read(place)
        for person in map(normalise_name, people):
            gone = int(store.of(person).sum())
            if not gone and not (forget and any(name == person for name, _ in store.revoked)):
                raise UserError(f"{person} is not enrolled: nothing was revoked")
            if not forget and (store.of(person) & store.made_under(NO_KEY)).any():
                notes.append(
                    f"{store.scheme} has no key: a template of {person} that was stolen still matches the finger"
                )
            store = store.without(person, remembered=not forget)
            lines.append(f"{person}: {format_count(gone)} {'forgotten' if forget else 'revoked'}")
        store_file.write(store, place)
    return Answer(lines, notes)
