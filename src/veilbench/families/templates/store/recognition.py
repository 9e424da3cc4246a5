"""Comparing images with a store's templates: is it this person, and who is it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veilbench.bench.errors import UserError
from veilbench.families.templates.schemes.base import TemplateScheme
from veilbench.families.templates.store import image_files, store_file, user_key
from veilbench.families.templates.store.answer import Answer, named
from veilbench.families.templates.store.gallery import Gallery
from veilbench.families.templates.store.recogniser import Threshold, load
from veilbench.families.templates.store.template_store import TemplateStore


@dataclass(frozen=True)
class Presented:
    """What is compared, and how.

    Attributes:
        model: the folder of a trained model.
        store: the file.
        key: the user's key, for schemes that have one.
        resize: scale images of other sizes.
        threshold: the likeness from which on to accept, or None.
        fmr: the false match rate at which to look it up then.
    """

    model: Path
    store: Path
    key: Path | None = None
    resize: bool = False
    threshold: float | None = None
    fmr: float = 0.01


class Opened:
    """The same, read and checked.

    Args:
        what: to be read.

    Raises:
        UserError: a file cannot be used, they do not belong together, or no threshold is known.
    """

    def __init__(self, what: Presented) -> None:
        self.what, self.recogniser, self.store = what, load(what.model), store_file.read(what.store)
        self.store.must_be_of(self.recogniser.fingerprint, str(what.store))
        self.secret = user_key.read(what.key) if what.key else None
        self.key = self.recogniser.key_name(self.secret, self.store.name)
        self.threshold = self.recogniser.threshold(what.threshold, what.fmr)

    def probes(self, images: Sequence[Path]) -> np.ndarray:
        """Templates of image files, as they are stored."""
        return self.recogniser.templates(image_files.read(images, self.store.size, self.what.resize), self.secret)[1]


def verify(what: Presented, person: str, image: Path) -> Answer:
    """Compare an image with a person's templates; the best of them counts.

    Raises:
        UserError: something cannot be used as it is, or nobody of that name is enrolled.
    """
    opened, person = Opened(what), named(person)
    chosen = _comparable(opened.store, person, opened.key)
    gallery = Gallery(opened.recogniser.scheme, opened.store.packing, opened.store.templates[chosen])
    likeness = float(gallery.nearest(opened.probes([image]), 1)[0][0, 0])
    threshold = opened.threshold
    match = likeness >= threshold.value
    relation = "is at or above" if match else "is below"
    line = f"{'match' if match else 'no match'}: {likeness:.4f} {relation} {threshold.value:.4f} ({threshold.source})"
    return Answer([line], match=match)


def _comparable(store: TemplateStore, person: str, key: str) -> np.ndarray:
    """Which templates of a person a probe under this key is compared with; at least one."""
    if (person, key) in store.revoked:
        raise UserError(f"{person} was revoked" + (" under this key" if key else ""))
    own = store.of(person)
    if not own.any():
        raise UserError(f"nobody is enrolled as {person}: the store has {len(store.people)} other people")
    if not (own & store.made_under(key)).any():
        raise UserError(f"{person} is enrolled under another key than this one")
    return np.asarray(own & store.made_under(key))


def identify(what: Presented, images: Sequence[Path], top: int = 1) -> Answer:
    """Find the most similar people for each image, by the best template of each.

    Raises:
        UserError: something cannot be used as it is, or nobody is enrolled.
    """
    opened = Opened(what)
    store, threshold = opened.store, opened.threshold
    if not len(store):
        raise UserError(f"{what.store} is empty: nobody is enrolled")
    under = store.made_under(opened.key)
    if not under.any():
        raise UserError(f"{what.store} has no template under this key, but {len(store)} under others")
    found = list(candidates(opened.recogniser.scheme, store, np.flatnonzero(under), opened.probes(images), top))
    lines = [
        f"{image}\t{rank}\t{person}\t{likeness:.4f}\t{'match' if likeness >= threshold.value else 'no match'}"
        for image, people in zip(images, found, strict=True)
        for rank, (person, likeness) in enumerate(people, 1)
    ]
    matched = all(people[0][1] >= threshold.value for people in found)
    return Answer(lines, _notes(threshold, int(under.sum()), len(store)), matched)


def candidates(
    scheme: TemplateScheme, store: TemplateStore, rows: np.ndarray, probes: np.ndarray, top: int
) -> Iterator[list[tuple[str, float]]]:
    """The best people for each probe, with the likeness of the best template of each.

    The best (top - 1) m + 1 templates hold the best `top` people where nobody has more than m templates.
    """
    owners = store.owners[rows]
    most = int(np.bincount(owners).max())
    gallery = Gallery(scheme, store.packing, store.templates[rows])
    for likest, places in zip(*gallery.nearest(probes, (top - 1) * most + 1), strict=True):
        best: dict[str, float] = {}
        for likeness, place in zip(likest, places, strict=True):
            best.setdefault(store.people[owners[place]], float(likeness))
        yield list(best.items())[:top]


def _notes(threshold: Threshold, searched: int, stored: int) -> list[str]:
    notes = [f"match: from {threshold.value:.4f} on ({threshold.source})"]
    if threshold.fmr is not None and searched > 1:
        chance = -np.expm1(searched * np.log1p(-threshold.fmr))
        notes.append(
            f"a stranger matches somebody among {searched:,} templates with a chance of {chance:.1%}, if false matches "
            "were independent"
        )
    if searched < stored:
        notes.append(f"{stored - searched:,} templates under other keys were not searched")
    return notes
