"""Verification and identification of images against a store's templates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.store import image_files, store_file, user_key
from veilbench.families.templates.store.answer import Answer, normalise_name
from veilbench.families.templates.store.gallery import Gallery
from veilbench.families.templates.store.recogniser import Threshold, load
from veilbench.families.templates.store.template_store import TemplateStore


@dataclass(frozen=True)
class Presented:
    """Inputs of a comparison.

    Attributes:
        model: folder of a trained model.
        store: store file.
        key: file of the user's key, for schemes that have keys.
        resize: whether to scale images of other sizes.
        threshold: similarity from which to accept; None looks it up at `fmr`.
        fmr: false match rate at which to look up the threshold.
    """

    model: Path
    store: Path
    key: Path | None = None
    resize: bool = False
    threshold: float | None = None
    fmr: float = 0.01


class Opened:
    """The inputs of a comparison, read and checked.

    Args:
        what: model, store and key to read.

    Raises:
        UserError: a file cannot be used, the files do not belong together, or no threshold is known.
    """

    def __init__(self, what: Presented) -> None:
        self.what, self.recogniser, self.store = what, load(what.model), store_file.read(what.store)
        self.store.require_model(self.recogniser.fingerprint, str(what.store))
        self.secret = user_key.read(what.key) if what.key else None
        self.key = self.recogniser.key_name(self.secret, self.store.name)
        self.threshold = self.recogniser.threshold(what.threshold, what.fmr)

    def read_probes(self, images: Sequence[Path]) -> np.ndarray:
        """Read image files, and return their templates in storage format."""
        return self.recogniser.make_templates(image_files.read(images, self.store.size, self.what.resize), self.secret)[
            1
        ]


def verify(what: Presented, person: str, image: Path) -> Answer:
    """Compare an image with a person's templates; the best match counts.

    Raises:
        UserError: an input cannot be used, or the person is not enrolled.
    """
    opened, person = Opened(what), normalise_name(person)
    comparable = _select_comparable(opened.store, person, opened.key)
    gallery = Gallery(opened.recogniser.scheme, opened.store.packing, opened.store.templates[comparable])
    similarity = float(gallery.nearest(opened.read_probes([image]), 1)[0][0, 0])
    threshold = opened.threshold
    match = similarity >= threshold.value
    relation = "is at or above" if match else "is below"
    line = f"{'match' if match else 'no match'}: {similarity:.4f} {relation} {threshold.value:.4f} ({threshold.source})"
    return Answer([line], match=match)


def _select_comparable(store: TemplateStore, person: str, key: str) -> np.ndarray:
    """Select the person's templates under this key, shape (n,), bool; raise an error if there are none."""
    if (person, key) in store.revoked:
        raise UserError(f"{person} was revoked" + (" under this key" if key else ""))
    belongs = store.belongs_to(person)
    if not belongs.any():
        raise UserError(f"{person} is not enrolled: the store has {len(store.people)} other people")
    if not (belongs & store.has_key(key)).any():
        raise UserError(f"{person} is enrolled under another key than this one")
    return np.asarray(belongs & store.has_key(key))


def identify(what: Presented, images: Sequence[Path], top: int = 1) -> Answer:
    """Find the `top` most similar people for each image; a person's similarity is that of their best template.

    Raises:
        UserError: an input cannot be used, or the store is empty.
    """
    opened = Opened(what)
    store, threshold = opened.store, opened.threshold
    if not len(store):
        raise UserError(f"{what.store} is empty: no one is enrolled")
    has_key = store.has_key(opened.key)
    if not has_key.any():
        raise UserError(f"{what.store} has no template under this key, but {len(store)} under others")
    ranked = list(
        rank_people(opened.recogniser.scheme, store, np.flatnonzero(has_key), opened.read_probes(images), top)
    )
    lines = [
        f"{image}\t{rank}\t{person}\t{similarity:.4f}\t{'match' if similarity >= threshold.value else 'no match'}"
        for image, people in zip(images, ranked, strict=True)
        for rank, (person, similarity) in enumerate(people, 1)
    ]
    matched = all(people[0][1] >= threshold.value for people in ranked)
    return Answer(lines, _notes(threshold, int(has_key.sum()), len(store)), matched)


def rank_people(
    scheme: TemplateScheme, store: TemplateStore, rows: np.ndarray, probes: np.ndarray, top: int
) -> Iterator[list[tuple[str, float]]]:
    """Yield the `top` most similar people for each probe, each with the similarity of their best template.

    If no one has more than m templates, the (top - 1) m + 1 most similar templates include these people.
    """
    owners = store.owners[rows]
    most = int(np.bincount(owners).max())
    gallery = Gallery(scheme, store.packing, store.templates[rows])
    for similarities, indices in zip(*gallery.nearest(probes, (top - 1) * most + 1), strict=True):
        best: dict[str, float] = {}
        for similarity, index in zip(similarities, indices, strict=True):
            best.setdefault(store.people[owners[index]], float(similarity))
        yield list(best.items())[:top]


def _notes(threshold: Threshold, searched: int, stored: int) -> list[str]:
    notes = [f"match: from {threshold.value:.4f} on ({threshold.source})"]
    if threshold.fmr is not None and searched > 1:
        chance = -np.expm1(searched * np.log1p(-threshold.fmr))
        notes.append(
            f"a stranger matches at least one of the {searched:,} templates with probability {chance:.1%}, assuming "
            "independent false matches"
        )
    if searched < stored:
        notes.append(f"{stored - searched:,} templates under other keys were not searched")
    return notes
