"""Enrolment and revocation of templates in a store; every change is atomic."""

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
from veilbench.families.templates.store.template_store import NO_KEY, TemplateStore, draw_name

SAME = 1 - 1e-5  # similarity from which two templates are of the same image; below 1 because of rounding


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
        renew: whether to revoke the person's previous templates as part of the same change.

    Raises:
        UserError: an input cannot be used; the store is unchanged.
    """
    recogniser, secret, person = load(model), user_key.read(key) if key else None, normalise_name(person)
    with lock_file(path) as locked_path:
        store = store_file.read(locked_path) if locked_path.exists() else None
        size = store.size if store else recogniser.size
        pixels = image_files.read(images, size, resize)
        if store:
            store.require_model(recogniser.fingerprint, str(path))
        store_name = store.name if store else draw_name()
        key_name = recogniser.key_name(secret, store_name)
        packing, rows = recogniser.make_templates(pixels, secret)
        height, width = pixels.shape[2:]
        scheme_name = type(recogniser.scheme).__name__
        store = store or TemplateStore.empty(recogniser.fingerprint, scheme_name, (height, width), packing, store_name)
        store, revoked = _revoke_previous(store, person, key_name) if renew else (store, 0)
        _refuse_revoked(store, person, key_name)
        store, lines, added = _add_templates(store, recogniser.scheme, person, key_name, images, rows)
        if added or revoked:
            store_file.write(store, locked_path)
    revoked_text = f", {format_count(revoked)} of before revoked" if revoked else ""
    lines.append(f"{person}: {format_count(added)} added{revoked_text}, {int(store.belongs_to(person).sum())} in all")
    notes = (
        [] if key_name else ["no key: these templates cannot be renewed, and the attacks of this bench can read them"]
    )
    return Answer(lines, notes)


def _add_templates(
    store: TemplateStore, scheme: TemplateScheme, person: str, key: str, images: Sequence[Path], rows: np.ndarray
) -> tuple[TemplateStore, list[str], int]:
    """Return the store with the new templates added, messages about the others, and the number of new ones."""
    lines: list[str] = []
    candidates = np.flatnonzero(store.has_key(key))
    is_enrolled = _find_same_images(scheme, store, store.templates[candidates], rows)
    is_repeated = _find_same_images(scheme, store, rows, rows)
    for index, (image, row) in enumerate(zip(images, rows, strict=True)):
        holder = (
            store.people[store.owners[candidates[is_enrolled[index].argmax()]]] if is_enrolled[index].any() else None
        )
        if holder not in (None, person):
            raise UserError(f"{image}: its very template is enrolled as {holder}; {person} cannot have it too")
        if holder == person or is_repeated[index, :index].any():
            lines.append(f"{image}: {person} has this very template already; nothing was added for it")
        else:
            store = store.with_template(person, key, row)
    return store, lines, len(rows) - len(lines)


def _find_same_images(
    scheme: TemplateScheme, store: TemplateStore, enrolled: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return which enrolled templates were made from the same image; shape (rows, enrolled), bool.

    Real-valued templates of one image may differ by rounding errors between machines.
    """
    if not len(enrolled):
        return np.zeros((len(rows), 1), bool)
    similarities, indices = Gallery(scheme, store.packing, enrolled).nearest(rows, len(rows) + 1)
    same = np.zeros((len(rows), len(enrolled)), bool)
    np.put_along_axis(same, indices, similarities >= SAME, 1)
    return same


def _revoke_previous(store: TemplateStore, person: str, key: str) -> tuple[TemplateStore, int]:
    """Return the store without the person's previous templates, and the number of revoked templates."""
    before = int(store.belongs_to(person).sum())
    if not before:
        raise UserError(f"{person} is not enrolled: there is nothing to renew")
    if key != NO_KEY and (store.belongs_to(person) & store.has_key(key)).any():
        raise UserError(
            f"{person} is enrolled under this very key: renewing takes a new one, from `veilbench template key FILE`"
        )
    return store.without(person, remembered=key != NO_KEY), before


def _refuse_revoked(store: TemplateStore, person: str, key: str) -> None:
    if (person, key) not in store.revoked:
        return
    if key == NO_KEY:
        raise UserError(
            f"{person} was revoked, and {store.scheme} has no key: a new template would match the old one; "
            "`veilbench template revoke --forget` drops the revocation, too"
        )
    raise UserError(f"{person} was revoked under this key: enrol under a new one, from `veilbench template key FILE`")


def revoke(path: Path, people: Sequence[str], forget: bool) -> Answer:
    """Revoke all templates of some people.

    Args:
        path: file of the store of templates.
        people: names of the people to revoke.
        forget: whether to delete everything about these people; otherwise the fingerprints of their keys are kept, so
            that they cannot be enrolled under the same keys again.

    Raises:
        UserError: a person is not enrolled; the store is unchanged.
    """
    lines, notes = [], []
    store_file.read(path)  # raises an error if there is no store, before a lock file is created
    with lock_file(path) as locked_path:
        store = store_file.read(locked_path)
        for person in map(normalise_name, people):
            count = int(store.belongs_to(person).sum())
            if not count and not (forget and any(name == person for name, _ in store.revoked)):
                raise UserError(f"{person} is not enrolled: nothing was revoked")
            if not forget and (store.belongs_to(person) & store.has_key(NO_KEY)).any():
                notes.append(
                    f"{store.scheme} has no key: a template of {person} that was stolen still matches the finger"
                )
            store = store.without(person, remembered=not forget)
            lines.append(f"{person}: {format_count(count)} {'forgotten' if forget else 'revoked'}")
        store_file.write(store, locked_path)
    return Answer(lines, notes)
